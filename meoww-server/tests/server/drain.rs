//! SIGTERM while people talk.

use std::process::Stdio;

use meoww_proto::{
    RoomId,
    signal::{ClientMessage, ServerMessage},
};
use reqwest::StatusCode;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::{
    harness::{Peer, patiently},
    operator::Operator,
    process::{Process, command},
};

/// Two in a room, one who watches, and the server.
struct Call {
    server: Process,
    room: RoomId,
    ada: Peer,
    bob: Peer,
    _operator: Operator,
}

async fn connect(server: &Process, cookie: &str) -> Peer {
    let url = format!("{}/ws", server.url.replace("http", "ws"));
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("cookie", cookie.parse().expect("a header"));
    let upgrade = patiently(tokio_tungstenite::connect_async(request)).await;
    Peer { socket: upgrade.expect("a socket").0 }
}

/// The next event that is neither a welcome nor about how many there are.
async fn next(peer: &mut Peer) -> ServerMessage {
    loop {
        match peer.next().await {
            ServerMessage::Welcome(_) | ServerMessage::Presence(_) | ServerMessage::Searching => {}
            event => return event,
        }
    }
}

async fn matched(peer: &mut Peer) -> RoomId {
    match next(peer).await {
        ServerMessage::Matched(matched) => matched.room_id,
        other => panic!("not matched: {other:?}"),
    }
}

impl Call {
    async fn start() -> Self {
        let operator = Operator::new();
        let mut command = command(&operator.data());
        command.env("MEOWW_DRAIN_GRACE", "1h").stderr(Stdio::null());
        let server = Process::spawn(&mut command).await;
        let created = ["user", "create", "--count", "2", "--verified", "--tokens"];
        let created = operator.asks(&created).await;
        let cookie = |n: usize| created[n]["cookie"].as_str().expect("a cookie").to_owned();
        let (mut ada, mut bob) =
            (connect(&server, &cookie(0)).await, connect(&server, &cookie(1)).await);
        for peer in [&mut ada, &mut bob] {
            peer.send(ClientMessage::Search(Default::default())).await;
        }
        let (room, other) = (matched(&mut ada).await, matched(&mut bob).await);
        assert_eq!(room, other);
        Self { server, room, ada, bob, _operator: operator }
    }

    async fn drain(&mut self) {
        self.server.signal("TERM");
        for peer in [&mut self.ada, &mut self.bob] {
            match next(peer).await {
                ServerMessage::Draining { seconds } => assert!(seconds > 3_500, "{seconds}"),
                other => panic!("not told: {other:?}"),
            }
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let url = format!("{}{path}", self.server.url);
        let answer = patiently(reqwest::get(url)).await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    }
}

#[tokio::test]
async fn a_call_goes_on_until_it_is_over_and_then_the_server_ends() {
    let mut call = Call::start().await;
    call.drain().await;
    call.ada.say(call.room, "still here").await;
    match next(&mut call.bob).await {
        ServerMessage::Chat(chat) => assert_eq!(chat.text, "still here"),
        other => panic!("no chat: {other:?}"),
    }
    assert_eq!(call.get("/health").await.0, StatusCode::OK);
    let (status, said) = call.get("/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(said.contains(r#""status":"draining""#), "{said}");
    call.bob.send(ClientMessage::Leave).await;
    assert_eq!(call.server.ended().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_waits_for_nobody() {
    let mut call = Call::start().await;
    call.drain().await;
    call.server.signal("INT");
    assert_eq!(call.server.ended().await, Some(0));
}
