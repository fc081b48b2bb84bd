//! Several servers on one PostgreSQL and one NATS: users meet whatever server they are on, and a
//! server that is gone takes nobody else along.

use std::path::Path;

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, RelayPayload, Search, ServerMessage},
};
use meoww_server::config::{Config, Limits, Secret};
use reqwest::Method;
use serde_json::json;

use crate::{
    engine,
    harness::{Member, PASSWORD, Peer, TestServer, patiently},
    nats::{self, Nats},
    process::{self, Process},
    sockets::{chat, expect_gone, welcomed},
};

const ACCESS_SECRET: &str = "an access secret that all nodes share";
const CODE_SECRETS: &str = "access = 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE='\n\
                            otp = 'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI='\n";

/// What the nodes of a fleet share.
struct Shared {
    /// Two servers of one cluster.
    nats: Vec<Nats>,
    database: String,
}

impl Shared {
    async fn new() -> Self {
        Self { nats: nats::cluster_of(2).await, database: engine::fresh_database().await }
    }

    /// The servers of NATS in the order in which a node tries them.
    fn nats_urls(&self, first: usize) -> String {
        format!("{},{}", self.nats[first].url(), self.nats[1 - first].url())
    }

    async fn two_nodes(&self) -> (TestServer, TestServer) {
        (self.node(0).await, self.node(1).await)
    }

    async fn node(&self, nats: usize) -> TestServer {
        TestServer::with(|config: &mut Config| {
            share_secrets(&config.data_dir);
            config.access_secret = Some(Secret::new(ACCESS_SECRET.into()));
            config.database = Some(engine::url(&self.database));
            config.nats = Some(Secret::new(self.nats_urls(nats)));
            config.limits = Limits::OFF;
        })
        .await
    }

    /// A node that can be killed.
    async fn process(&self, data_dir: &Path) -> Process {
        share_secrets(data_dir);
        let mut command = process::command(data_dir);
        command.env("MEOWW_DATABASE_URL", &self.database);
        command.env("MEOWW_NATS_URL", self.nats_urls(1)).env("JWT_ACCESS_SECRET", ACCESS_SECRET);
        Process::spawn(&mut command).await
    }
}

fn share_secrets(data_dir: &Path) {
    std::fs::create_dir_all(data_dir).expect("a directory");
    std::fs::write(data_dir.join("secrets.toml"), CODE_SECRETS).expect("written");
}

/// Opens a socket on another server than the one that has made the account.
async fn connect(url: &str, member: &Member, query: &str) -> Peer {
    let bearer = format!("Bearer {}", member.access);
    Peer::at(&format!("{url}/ws{query}"), &[("authorization", &bearer)]).await.expect("a socket")
}

/// Has two who were welcomed search until they are matched with each other.
async fn match_two(ada: &mut Peer, bob: &mut Peer) -> RoomId {
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
