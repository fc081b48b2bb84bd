use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::{silence::IDLE_TIMEOUT, *};
use crate::testing::logged_in;

type Server = WebSocketStream<TcpStream>;

/// A link with nothing at stake, and the server's side of it. From here on, time passes when all wait
/// for it.
async fn connected() -> (Link, Server, TempDir) {
    let (link, server, folder, _) = connected_with(Stake::default()).await;
    (link, server, folder)
}

async fn connected_with(stake: Stake) -> (Link, Server, TempDir, watch::Sender<Stake>) {
    let (at_stake, stake) = watch::channel(stake);
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api = Arc::new(logged_in(&listener, folder.path()));
    let accepted = async {
        let (stream, _) = listener.accept().await.expect("a client");
        accept_async(stream).await.expect("a WebSocket")
    };
    let (link, server) = tokio::join!(Link::open(api, stake), accepted);
    tokio::time::pause();
    (link.expect("a link"), server, folder, at_stake)
}

/// Says something every three seconds.
async fn talk(orders: &mpsc::Sender<Order>, times: u32) {
    for _ in 0..times {
        orders.send(Order::Say(ClientMessage::Leave)).await.expect("a link");
        sleep(Duration::from_secs(3)).await;
    }
}

/// How long it takes until the link is found lost.
#[expect(clippy::disallowed_methods, reason = "tests are their own edge")]
async fn lost_after(events: &mut mpsc::Receiver<LinkEvent>) -> Duration {
    let began = Instant::now();
    match events.recv().await {
        Some(LinkEvent::Down { .. }) => began.elapsed(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_dead_server_is_noticed_whatever_is_said_into_it() {
    let (mut link, _silent, _folder) = connected().await;
    let after = tokio::select! {
        () = talk(&link.orders, 100) => panic!("it is never noticed"),
        after = lost_after(&mut link.events) => after,
    };
    assert_eq!(after.as_secs(), ANSWER_TIMEOUT.as_secs());
}

#[tokio::test]
async fn a_silent_server_is_noticed_without_a_word() {
    let (mut link, _silent, _folder) = connected().await;
    assert_eq!(lost_after(&mut link.events).await.as_secs(), IDLE_TIMEOUT.as_secs());
}

#[tokio::test]
async fn after_another_network_a_server_that_does_not_answer_is_left_soon() {
    let (mut link, _silent, _folder) = connected().await;
    link.orders.send(Order::NetworkChanged).await.expect("a link");
    assert_eq!(lost_after(&mut link.events).await.as_secs(), PROBE_TIMEOUT.as_secs());
}

#[tokio::test]
async fn a_server_that_answers_pings_alone_is_kept() {
    let (mut link, mut server, _folder) = connected().await;
    tokio::select! {
        () = talk(&link.orders, 100) => {}
        _ = async { while server.next().await.is_some() {} } => panic!("the client left"),
        after = lost_after(&mut link.events) => panic!("lost after {after:?}"),
    }
}

#[tokio::test]
async fn a_goodbye_to_a_dead_server_does_not_hold_up_the_end() {
    let (link, _silent, _folder) = connected().await;
    timeout(2 * GOODBYE, link.close()).await.expect("it waits for the server");
}

const URGENT: Stake = Stake { room: None, is_urgent: true };

#[tokio::test]
async fn with_a_call_at_stake_a_silent_server_is_left_after_ten_seconds() {
    let (mut link, _silent, _folder, _stake) = connected_with(URGENT).await;
    assert_eq!(lost_after(&mut link.events).await.as_secs(), 10);
}

#[tokio::test]
async fn a_search_that_begins_late_has_the_server_asked_at_once() {
    let (mut link, _silent, _folder, stake) = connected_with(Stake::default()).await;
    sleep(Duration::from_secs(40)).await;
    stake.send_replace(URGENT);
    assert_eq!(lost_after(&mut link.events).await.as_secs(), WATCHED_TIMEOUT.as_secs());
}

/// As long as a node that stands still is waited for by the others, and longer.
#[tokio::test]
async fn a_server_that_stands_still_for_four_seconds_is_kept() {
    let (mut link, mut server, _folder, _stake) = connected_with(URGENT).await;
    let answering = async {
        for _ in 0..20 {
            sleep(Duration::from_secs(9)).await;
            // The answer to what has come meanwhile goes out with the next read.
            timeout(Duration::from_millis(1), server.next())
                .await
                .expect("a ping")
                .expect("open")
                .expect("read");
            timeout(Duration::from_millis(1), server.next()).await.expect_err("no other ping");
        }
    };
    tokio::select! {
        () = answering => {}
        after = lost_after(&mut link.events) => panic!("lost after {after:?}"),
    }
}
