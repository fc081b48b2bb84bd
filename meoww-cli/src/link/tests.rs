use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;
use crate::testing::logged_in;

type Server = WebSocketStream<TcpStream>;

/// A link, and the server's side of it. From here on, time passes when all wait for it.
async fn connected() -> (Link, Server, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api = Arc::new(logged_in(&listener, folder.path()));
    let (_room, room) = watch::channel(None);
    let accepted = async {
        let (stream, _) = listener.accept().await.expect("a client");
        accept_async(stream).await.expect("a WebSocket")
    };
    let (link, server) = tokio::join!(Link::open(api, room), accepted);
    tokio::time::pause();
    (link.expect("a link"), server, folder)
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
    assert_eq!(lost_after(&mut link.events).await.as_secs(), SILENCE_TIMEOUT.as_secs());
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
