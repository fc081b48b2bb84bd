//! Several servers on one PostgreSQL and one NATS: users meet whatever server they are on, and a
//! server that is gone takes nobody else along.

use std::path::Path;

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, RelayPayload, Search, ServerMessage},
};
use meoww_server::config::{Config, Limits, Secret};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    engine,
    harness::{Member, PASSWORD, Peer, Reply, TestServer, patiently},
    nats::{self, Nats},
    process::{self, Process},
    sockets::{chat, expect_gone, welcomed},
    watch,
};

pub(crate) const ACCESS_SECRET: &str = "an access secret that all nodes share";
const CODE_SECRETS: &str = "access = 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE='\n\
                            otp = 'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI='\n";

/// What the nodes of a fleet share.
pub(crate) struct Shared {
    /// Two servers of one cluster.
    nats: Vec<Nats>,
    database: String,
}

impl Shared {
    pub(crate) async fn new() -> Self {
        Self { nats: nats::cluster_of(2).await, database: engine::fresh_database().await }
    }

    /// The servers of NATS in the order in which a node tries them.
    fn nats_urls(&self, first: usize) -> String {
        format!("{},{}", self.nats[first].url(), self.nats[1 - first].url())
    }

    async fn two_nodes(&self) -> (TestServer, TestServer) {
        (self.node(0).await, self.node(1).await)
    }

    pub(crate) async fn node(&self, nats: usize) -> TestServer {
        self.node_with(nats, |_| {}).await
    }

    async fn node_with(&self, nats: usize, adjust: impl FnOnce(&mut Config)) -> TestServer {
        TestServer::with(|config: &mut Config| {
            share_secrets(&config.data_dir);
            config.access_secret = Some(Secret::new(ACCESS_SECRET.into()));
            config.database = Some(engine::url(&self.database));
            config.nats = Some(Secret::new(self.nats_urls(nats)));
            config.limits = Limits::OFF;
            adjust(config);
        })
        .await
    }

    /// A node that can be killed.
    pub(crate) async fn process(&self, data_dir: &Path) -> Process {
        share_secrets(data_dir);
        let mut command = process::command(data_dir);
        command.env("MEOWW_DATABASE_URL", &self.database);
        command.env("MEOWW_NATS_URL", self.nats_urls(1)).env("JWT_ACCESS_SECRET", ACCESS_SECRET);
        Process::spawn(&mut command).await
    }
}

pub(crate) fn share_secrets(data_dir: &Path) {
    std::fs::create_dir_all(data_dir).expect("a directory");
    std::fs::write(data_dir.join("secrets.toml"), CODE_SECRETS).expect("written");
}

/// Opens a socket on another server than the one that has made the account.
pub(crate) async fn connect(url: &str, member: &Member, query: &str) -> Peer {
    let bearer = format!("Bearer {}", member.access);
    Peer::at(&format!("{url}/ws{query}"), &[("authorization", &bearer)]).await.expect("a socket")
}

/// Has two who were welcomed search until they are matched with each other.
pub(crate) async fn match_two(ada: &mut Peer, bob: &mut Peer) -> RoomId {
    for peer in [&mut *ada, &mut *bob] {
        peer.send(ClientMessage::Search(Search::default())).await;
        assert!(matches!(peer.next().await, ServerMessage::Searching));
    }
    let (one, other) = (ada.next_matched().await, bob.next_matched().await);
    assert_eq!(one.room_id, other.room_id);
    assert_ne!(one.is_initiator, other.is_initiator);
    one.room_id
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_two_nodes_meet_and_talk() {
    let shared = Shared::new().await;
    let (first, second) = shared.two_nodes().await;
    let (_, mut ada) = first.peer("ada").await;
    let (_, mut bob) = second.peer("bob").await;
    let room = match_two(&mut ada, &mut bob).await;
    chat(&mut ada, &mut bob, room, "over there?").await;
    chat(&mut bob, &mut ada, room, "yes").await;
    let offer = serde_json::value::RawValue::from_string("{\"type\":\"offer\"}".into());
    ada.relay(room, RelayPayload::Offer(offer.expect("JSON"))).await;
    assert!(matches!(bob.next().await, ServerMessage::Signal(relay) if relay.room_id == room));
    bob.send(ClientMessage::Leave).await;
    expect_gone(&mut ada, room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_goes_on_at_another_node() {
    let shared = Shared::new().await;
    let (first, second) = shared.two_nodes().await;
    let (ada_is, mut ada) = first.peer("ada").await;
    let (_, mut bob) = first.peer("bob").await;
    let room = match_two(&mut ada, &mut bob).await;
    drop(ada);
    let mut ada = connect(&second.url, &ada_is, &format!("?resume={room}")).await;
    assert_eq!(welcomed(&mut ada).await, Some(room));
    chat(&mut ada, &mut bob, room, "here again").await;
    chat(&mut bob, &mut ada, room, "and here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_at_one_node_close_sockets_at_all() {
    let shared = Shared::new().await;
    let (first, second) = shared.two_nodes().await;
    let (ada_is, _ada) = first.peer("ada").await;
    let (_, mut bob) = first.peer("bob").await;
    let login = second.login(&ada_is.email, PASSWORD).await;
    let (access, refresh) = (login.cookie("access_token"), login.cookie("refresh_token"));
    let again = Member { id: ada_is.id, email: ada_is.email.clone(), access, refresh };
    let mut elsewhere = connect(&second.url, &again, "").await;
    welcomed(&mut elsewhere).await;
    // A match across both shows that they know each other.
    match_two(&mut elsewhere, &mut bob).await;
    let reply = first.send_as(Method::DELETE, "/api/auth/sessions", &ada_is.access, json!({}));
    assert!(reply.await.status.is_success());
    elsewhere.expect_error(SignalErrorCode::SessionEnded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_matcher_is_killed_calls_and_matching_go_on() {
    let shared = Shared::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    // The first to come matches.
    let mut matcher = shared.process(directory.path()).await;
    let node = shared.node(0).await;
    let (_, mut ada) = node.peer("ada").await;
    let (bob_is, _) = node.peer("bob").await;
    let mut bob = connect(&matcher.url, &bob_is, "").await;
    welcomed(&mut bob).await;
    let across = match_two(&mut ada, &mut bob).await;
    let (_, mut cat) = node.peer("cat").await;
    let (_, mut dan) = node.peer("dan").await;
    let room = match_two(&mut cat, &mut dan).await;
    patiently(matcher.kill()).await;
    chat(&mut cat, &mut dan, room, "still there?").await;
    let (_, mut eve) = node.peer("eve").await;
    let (_, mut fay) = node.peer("fay").await;
    match_two(&mut eve, &mut fay).await;
    // Who was on it goes on elsewhere, in the same room.
    drop(bob);
    let mut bob = connect(&node.url, &bob_is, &format!("?resume={across}")).await;
    assert_eq!(welcomed(&mut bob).await, Some(across));
    chat(&mut bob, &mut ada, across, "that was short").await;
    chat(&mut ada, &mut bob, across, "it was").await;
}

/// Waits until a beat of the node that matches says that so many are online.
pub(crate) async fn expect_online(peer: &mut Peer, count: u32) {
    let is_told = |event: &ServerMessage| matches!(event, ServerMessage::Presence(presence) if presence.online == count);
    while !is_told(&peer.next_event().await) {}
}

/// With the lines that pass between them; what either says is for the other alone.
async fn talk(ada: &mut Peer, bob: &mut Peer, room: RoomId) {
    chat(bob, ada, room, "that was short").await;
    chat(ada, bob, room, "it was").await;
}

/// No other node has a member of their room.
#[tokio::test(flavor = "multi_thread")]
async fn two_who_are_both_at_the_matcher_go_on_when_it_is_killed() {
    let shared = Shared::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut matcher = shared.process(directory.path()).await;
    let nodes = [shared.node(0).await, shared.node(1).await];
    let (ada_is, bob_is) = (nodes[0].member("ada").await, nodes[1].member("bob").await);
    let mut witnesses = [nodes[0].peer("cat").await.1, nodes[1].peer("dan").await.1];
    let mut ada = connect(&matcher.url, &ada_is, "").await;
    let mut bob = connect(&matcher.url, &bob_is, "").await;
    for peer in [&mut ada, &mut bob] {
        welcomed(peer).await;
    }
    for witness in &mut witnesses {
        expect_online(witness, 4).await;
    }
    let room = match_two(&mut ada, &mut bob).await;
    talk(&mut ada, &mut bob, room).await;
    patiently(matcher.kill()).await;
    let resume = format!("?resume={room}");
    let mut ada = connect(&nodes[0].url, &ada_is, &resume).await;
    assert_eq!(welcomed(&mut ada).await, Some(room));
    let mut bob = connect(&nodes[1].url, &bob_is, &resume).await;
    assert_eq!(welcomed(&mut bob).await, Some(room));
    talk(&mut ada, &mut bob, room).await;
    bob.send(ClientMessage::Leave).await;
    expect_gone(&mut ada, room).await;
}

/// Until there is another matcher, the node does not know the room; what its member asks for waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_before_the_welcome_ends_the_room() {
    let shared = Shared::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut matcher = shared.process(directory.path()).await;
    let node = shared.node(0).await;
    let (_, mut ada) = node.peer("ada").await;
    let bob_is = node.member("bob").await;
    let mut bob = connect(&matcher.url, &bob_is, "").await;
    welcomed(&mut bob).await;
    let room = match_two(&mut ada, &mut bob).await;
    patiently(matcher.kill()).await;
    let mut bob = connect(&node.url, &bob_is, &format!("?resume={room}")).await;
    bob.send(ClientMessage::Block { room_id: room }).await;
    bob.send(ClientMessage::Search(Search::default())).await;
    assert_eq!(welcomed(&mut bob).await, Some(room));
    assert!(matches!(bob.next().await, ServerMessage::Blocked { room_id } if room_id == room));
    assert!(matches!(bob.next().await, ServerMessage::Searching));
    expect_gone(&mut ada, room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_with_a_server_of_nats() {
    let mut shared = Shared::new().await;
    let (first, second) = shared.two_nodes().await;
    let (_, mut ada) = first.peer("ada").await;
    let (_, mut bob) = second.peer("bob").await;
    let room = match_two(&mut ada, &mut bob).await;
    let meanwhile = async || {
        chat(&mut ada, &mut bob, room, "by the other one").await;
        chat(&mut bob, &mut ada, room, "and back").await;
    };
    shared.nats[0].restart(meanwhile).await;
    chat(&mut ada, &mut bob, room, "nothing is lost").await;
}

async fn poll(server: &TestServer, query: &str) -> Reply {
    let path = format!("/socket.io/?EIO=4&transport=polling{query}");
    server.send(Method::GET, &path, &[], "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_comes_to_another_node_is_told_so() {
    let shared = Shared::new().await;
    let (first, second) = shared.two_nodes().await;
    let opened = poll(&first, "").await;
    let opened = String::from_utf8(opened.bytes).expect("text");
    let opened: serde_json::Value = serde_json::from_str(&opened[1..]).expect("JSON");
    let sid = format!("&sid={}", opened["sid"].as_str().expect("an id"));
    let refused = poll(&second, &sid).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let words = "Session ID of another server";
    assert!(refused.error().starts_with(words), "{}", refused.body);
    // One that is over, or that nobody ever had, is no matter of the balancer.
    let mut over = sid.into_bytes();
    let last = over.last_mut().expect("digits");
    *last = if *last == b'0' { b'1' } else { b'0' };
    let refused = poll(&first, &String::from_utf8(over).expect("text")).await;
    assert_eq!(refused.error(), "Session ID unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fleets_on_one_bus_do_not_hear_each_other() {
    let shared = Shared::new().await;
    let (first, second) = shared.two_nodes().await;
    let other = Shared { database: engine::fresh_database().await, ..shared };
    let (third, fourth) = other.two_nodes().await;
    let (_, mut ada) = first.peer("ada").await;
    let (_, mut bob) = third.peer("bob").await;
    for peer in [&mut ada, &mut bob] {
        peer.send(ClientMessage::Search(Search::default())).await;
        assert!(matches!(peer.next().await, ServerMessage::Searching));
    }
    // Each meets who comes to the other node of the own fleet, and not who waits already.
    for (waiting, server) in [(&mut ada, &second), (&mut bob, &fourth)] {
        let (_, mut newcomer) = server.peer("cyd").await;
        newcomer.send(ClientMessage::Search(Search::default())).await;
        assert!(matches!(newcomer.next().await, ServerMessage::Searching));
        let (one, two) = (waiting.next_matched().await, newcomer.next_matched().await);
        assert_eq!(one.room_id, two.room_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_nodes_can_be_summed() {
    let shared = Shared::new().await;
    let watched = |config: &mut Config| {
        config.metrics_listen = Some("127.0.0.1:0".parse().expect("an address"));
    };
    let nodes = [shared.node_with(0, watched).await, shared.node_with(1, watched).await];
    let (_, mut ada) = nodes[0].peer("ada").await;
    let (_, mut bob) = nodes[1].peer("bob").await;
    match_two(&mut ada, &mut bob).await;
    let expected = [
        ("meoww_rooms", 1.0),
        ("meoww_matches_total", 1.0),
        ("meoww_online", 2.0),
        ("meoww_connections{adapter=\"ws\"}", 2.0),
        ("meoww_fleet_matching", 1.0),
        ("meoww_fleet_online", 2.0),
        ("meoww_fleet_peers", 2.0),
        ("meoww_nats_connected", 2.0),
        ("meoww_nats_rejected_total", 0.0),
    ];
    // Nodes tell each other with their next beats.
    patiently(async {
        loop {
            let mut told = Vec::new();
            for node in &nodes {
                told.push(watch::metrics(node.app.metrics_address().expect("it listens")).await);
            }
            let sum = |name| told.iter().map(|metrics| watch::figure(metrics, name)).sum::<f64>();
            let wrong = expected.iter().find(|(name, figure)| (sum(name) - figure).abs() > 0.5);
            let Some((name, _)) = wrong else { return };
            eprintln!("{name} is {}", sum(name));
        }
    })
    .await;
}
