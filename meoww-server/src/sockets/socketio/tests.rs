//! When a client is given up on, in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests read the clock")]

mod protocol;

use std::net::SocketAddr;

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::StatusCode,
};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message as Frame;
use tower::ServiceExt;

use super::*;
use crate::testing::{Pipes, ROOMY, Socket, next_text};

const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const LONG: Duration = Duration::from_secs(3600);

async fn say(socket: &mut Socket, packet: &str) {
    socket.send(Frame::Text(packet.to_owned().into())).await.expect("sent");
}

/// Somebody who was let in.
async fn client(pipes: &Pipes, bytes: usize) -> Socket {
    let mut socket = pipes.socket(1, WEBSOCKET, bytes).await;
    say(&mut socket, "40").await;
    while !next_text(&mut socket).await.expect("a packet").starts_with("42[\"welcome\"") {}
    socket
}

/// One request of a client that polls.
async fn ask(pipes: &Pipes, path: &str, post: Option<&str>) -> (StatusCode, String) {
    let method = if post.is_some() { Method::POST } else { Method::GET };
    let body = Body::from(post.unwrap_or_default().to_owned());
    send(pipes, Request::builder().method(method).uri(path), body).await
}

async fn send(
    pipes: &Pipes,
    request: axum::http::request::Builder,
    body: Body,
) -> (StatusCode, String) {
    let request = request.header(header::COOKIE, pipes.cookie(1));
    let mut request = request.body(body).expect("a request");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    let answer = timeout(LONG, pipes.router.clone().oneshot(request)).await.expect("an answer");
    let answer = answer.expect("infallible");
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), ROOMY).await.expect("a body");
    (status, String::from_utf8(bytes.into()).expect("text"))
}

/// The address of a client that polls and was let in.
async fn polling(pipes: &Pipes) -> String {
    let (_, open) = ask(pipes, POLLING, None).await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).expect("an open packet");
    let path = format!("{POLLING}&sid={}", open["sid"].as_str().expect("a session"));
    assert_eq!(ask(pipes, &path, Some("40")).await, (StatusCode::OK, "ok".into()));
    assert!(ask(pipes, &path, None).await.1.starts_with("40"));
    path
}

#[tokio::test]
async fn a_quiet_client_is_asked_whether_it_is_there_and_stays_if_it_is() {
    let pipes = Pipes::start().await;
    let mut ada = client(&pipes, ROOMY).await;
    let start = Instant::now();
    let mut asked = Vec::new();
    let _ = timeout(Duration::from_secs(601), async {
        while let Some(packet) = next_text(&mut ada).await {
            if packet == engine::PING {
                asked.push(start.elapsed().as_secs());
                say(&mut ada, "3").await;
            }
        }
    })
    .await;
    let expected: Vec<_> = (1..=30).map(|n| n * PING_INTERVAL.as_secs()).collect();
    assert_eq!(asked, expected);
    assert_eq!(pipes.services.hub.counts().await.connections, 1);
}

#[tokio::test]
async fn who_answers_no_ping_is_gone() {
    let pipes = Pipes::start().await;
    let mut ada = client(&pipes, ROOMY).await;
    let start = Instant::now();
    let ends = async { while next_text(&mut ada).await.is_some() {} };
    timeout(LONG, ends).await.expect("the server hangs up");
    assert_eq!(start.elapsed().as_secs(), (PING_INTERVAL + PING_TIMEOUT).as_secs());
    assert_eq!(pipes.services.hub.counts().await.connections, 0);
}

/// The handshake promises interval and timeout; its partner waits no longer.
#[tokio::test]
async fn who_stops_answering_is_gone_as_the_handshake_says() {
    let pipes = Pipes::start().await;
    let mut ada = client(&pipes, ROOMY).await;
    while next_text(&mut ada).await.expect("a packet") != engine::PING {}
    say(&mut ada, "3").await;
    let last_word = Instant::now();
    let ends = async { while next_text(&mut ada).await.is_some() {} };
    timeout(LONG, ends).await.expect("the server hangs up");
    assert_eq!(last_word.elapsed().as_secs(), (PING_INTERVAL + PING_TIMEOUT).as_secs());
}

#[tokio::test]
async fn who_takes_nothing_in_is_given_up_though_little_waits() {
    let pipes = Pipes::start().await;
    let _deaf = client(&pipes, 512).await;
    sleep(PING_INTERVAL / 4).await;
    pipes.services.hub.broadcast("x".repeat(4096)).await;
    let gone = pipes.deserted(Instant::now()).await;
    assert_eq!(gone.as_secs(), 10);
}

#[tokio::test]
async fn who_does_not_ask_to_be_let_in_is_shown_out() {
    let pipes = Pipes::start().await;
    let ada = pipes.socket(1, WEBSOCKET, ROOMY).await;
    let start = Instant::now();
    let mut bytes = Vec::new();
    let mut ada = ada.into_inner();
    timeout(LONG, ada.read_to_end(&mut bytes)).await.expect("it ends").expect("in order");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn who_polls_stays_and_who_stops_is_gone() {
    let pipes = Pipes::start().await;
    let path = polling(&pipes).await;
    let start = Instant::now();
    let mut asked = Vec::new();
    while asked.len() < 20 {
        let (status, packets) = ask(&pipes, &path, None).await;
        assert_eq!(status, StatusCode::OK);
        if packets.split(engine::SEPARATOR).any(|packet| packet == engine::PING) {
            asked.push(start.elapsed().as_secs());
            assert_eq!(ask(&pipes, &path, Some("3")).await.0, StatusCode::OK);
        }
    }
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] == PING_INTERVAL.as_secs()), "{asked:?}");
    let gone = pipes.deserted(Instant::now()).await;
    let promised = PING_INTERVAL + PING_TIMEOUT;
    assert!((promised..promised + Duration::from_secs(1)).contains(&gone), "{gone:?}");
    assert_eq!(ask(&pipes, &path, None).await.0, StatusCode::BAD_REQUEST, "its session is unknown");
}

#[tokio::test]
async fn an_upgrade_that_comes_to_nothing_leaves_the_client_polling() {
    let pipes = Pipes::start().await;
    let path = polling(&pipes).await;
    let upgrade = path.replace("polling", "websocket");
    let mut socket = pipes.socket(1, &upgrade, ROOMY).await;
    say(&mut socket, engine::PROBE).await;
    assert_eq!(next_text(&mut socket).await.as_deref(), Some(engine::PROBED));
    let start = Instant::now();
    assert!(timeout(LONG, socket.next()).await.expect("it ends").is_none_or(|end| end.is_err()));
    assert_eq!(start.elapsed().as_secs(), UPGRADE_TIMEOUT.as_secs());
    pipes.services.hub.broadcast("still here".into()).await;
    let heard = async { while !ask(&pipes, &path, None).await.1.contains("still here") {} };
    timeout(LONG, heard).await.expect("polls are answered");
}
