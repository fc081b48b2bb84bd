//! A Socket.IO client by hand: one that counts its acknowledgements, and answers pings when it likes.

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, RelayPayload, ServerMessage},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{Member, Peer, TestServer},
    sockets::meet,
};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

pub(crate) struct Rough(pub(crate) Peer);

impl Rough {
    /// Opens a WebSocket and is let in.
    pub(crate) async fn connect(server: &TestServer, member: &Member) -> Self {
        let cookie = format!("access_token={}", member.access);
        let peer = server.open_at(PATH, &[("cookie", &cookie)]).await.expect("a transport");
        let mut rough = Self(peer);
        rough.0.send_text("40").await;
        rough.expect("welcome").await;
        rough
    }

    pub(crate) async fn emit(&mut self, event: &str, data: Value) {
        self.0.send_text(format!("42{}", json!([event, data]))).await;
    }

    pub(crate) async fn next_packet(&mut self) -> String {
        match self.0.next_raw().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The data of the next event of this name, whatever comes before it.
    pub(crate) async fn expect(&mut self, name: &str) -> Value {
        loop {
            let packet = self.next_packet().await;
            let Some(event) = packet.strip_prefix("42") else { continue };
            let mut event: Value = serde_json::from_str(event).expect("JSON");
            if event[0] == name {
                return event[1].take();
            }
        }
    }

    /// Emits an event and returns the code of its acknowledgement, or nothing if it was done.
    pub(crate) async fn ask(&mut self, event: &str, data: Value) -> Option<String> {
        self.0.send_text(format!("427{}", json!([event, data]))).await;
        loop {
            let packet = self.next_packet().await;
            if let Some(answer) = packet.strip_prefix("437") {
                return code(answer);
            }
        }
    }

    /// Reads until it is matched, and answers the ping that came before.
    pub(crate) async fn matched(&mut self) -> String {
        let room = self.expect("matched").await["roomId"].as_str().expect("a room").to_owned();
        self.0.send_text("3").await;
        room
    }
}

/// The code in the arguments of an acknowledgement.
fn code(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    let code = answer[0]["code"].as_str().map(str::to_owned);
    assert_eq!(answer[0]["ok"], code.is_none(), "{answer}");
    code
}

/// A rough client and one on `/ws` in a room.
async fn rough_room(server: &TestServer) -> (Rough, (Member, Peer), RoomId) {
    let mut ada = Rough::connect(server, &server.member("ada").await).await;
    let (bob, mut peer) = server.peer("bob").await;
    ada.emit("search", json!(null)).await;
    ada.expect("searching").await;
    peer.send(ClientMessage::Search(Default::default())).await;
    let room = peer.next_matched().await.room_id;
    assert_eq!(ada.matched().await, room.to_string());
    (ada, (bob, peer), room)
}

#[tokio::test]
async fn as_many_lines_are_acknowledged_as_reach_the_partner() {
    const SENT: usize = 600;
    let server = TestServer::start().await;
    let (mut ada, (_, mut bob), room) = rough_room(&server).await;
    let mut said = String::new();
    for n in 0..SENT {
        said = format!("42{n}{}", json!(["send-message", { "text": n.to_string() }]));
        ada.0.send_text(said.clone()).await;
    }
    assert!(said.starts_with("42599["), "{said}");
    let (mut passed, mut refused) = (0, 0);
    while passed + refused < SENT {
        let packet = ada.next_packet().await;
        let Some(answer) = packet.strip_prefix("43") else { continue };
        let (id, answer) = answer.split_at(answer.find('[').expect("an answer"));
        assert_eq!(id, (passed + refused).to_string());
        match code(answer).as_deref() {
            None => passed += 1,
            Some("rate-limited") => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(passed >= 400 && refused > 0, "{passed} {refused}");
    bob.say(room, "done").await;
    for heard in 0.. {
        match bob.next().await {
            ServerMessage::Chat(chat) if chat.from_self => {
                assert_eq!(heard, passed);
                break;
            }
            ServerMessage::Chat(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_line_to_a_partner_who_is_away_is_not_acknowledged() {
    let server = TestServer::start().await;
    let (mut ada, (member, bob), room) = rough_room(&server).await;
    let line = json!({ "text": "are you there?" });
    assert_eq!(ada.ask("send-message", line.clone()).await, None);
    drop(bob);
    // The server has to notice first.
    let code = loop {
        if let Some(code) = ada.ask("send-message", line.clone()).await {
            break code;
        }
    };
    assert_eq!(code, "partner-away");
    for (event, data) in [("offer", "offer"), ("answer", "answer"), ("ice-candidate", "candidate")]
    {
        assert_eq!(ada.ask(event, json!({ data: {} })).await.as_deref(), Some("partner-away"));
    }
    let mut back = server.connect(&member, &format!("?resume={room}")).await;
    assert!(matches!(back.next().await, ServerMessage::Welcome(_)));
    while ada.ask("send-message", line.clone()).await.is_some() {}
    back.expect_chat("are you there?", false).await;
}

#[tokio::test]
async fn a_search_that_the_lobby_refuses_is_not_acknowledged() {
    let server = TestServer::start().await;
    let member = server.member("ada").await;
    let mut first = Rough::connect(&server, &member).await;
    let mut second = Rough::connect(&server, &member).await;
    assert_eq!(first.ask("search", json!(null)).await, None);
    let (_, mut bob) = server.peer("bob").await;
    bob.send(ClientMessage::Search(Default::default())).await;
    first.matched().await;
    for event in ["search", "skip"] {
        let code = second.ask(event, json!(null)).await;
        assert_eq!(code.as_deref(), Some("in-call-elsewhere"), "{event}");
        assert_eq!(second.expect("error").await["code"], "in-call-elsewhere");
    }
    for event in ["cancel", "leave"] {
        assert_eq!(second.ask(event, json!(null)).await, None, "there was nothing to do");
    }
}

#[tokio::test]
async fn a_user_of_the_plain_socket_hears_what_was_not_passed_on() {
    let server = TestServer::start().await;
    let (_, mut ada) = server.peer("ada").await;
    let (_, mut bob) = server.peer("bob").await;
    let room = meet(&mut ada, &mut bob).await;
    drop(bob);
    loop {
        ada.say(room, "are you there?").await;
        match ada.next().await {
            ServerMessage::Chat(chat) => assert!(chat.from_self),
            ServerMessage::Error(error) => {
                break assert_eq!(error.code, SignalErrorCode::PartnerAway);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Signals without a room that the last partner was meant to get, sent before the client learned of
/// its next match.
#[tokio::test]
async fn what_was_said_to_the_last_partner_does_not_reach_the_next() {
    let server = TestServer::start().await;
    let (mut ada, (_, mut bob), old) = rough_room(&server).await;
    let (_, mut eve) = server.peer("eve").await;
    eve.send(ClientMessage::Search(Default::default())).await;
    assert!(matches!(eve.next().await, ServerMessage::Searching));
    ada.emit("skip", json!(null)).await;
    let new = eve.next_matched().await.room_id;
    // Matched, and what says so is still on its way to Ada.
    for (event, data) in [
        ("offer", json!({ "offer": { "type": "offer" } })),
        ("ice-candidate", json!({ "candidate": {} })),
        ("send-message", json!({ "text": "for Bob" })),
    ] {
        assert_eq!(ada.ask(event, data).await.as_deref(), Some("wrong-room"), "{event}");
    }
    ada.emit("block", json!(null)).await;
    assert_eq!(ada.expect("blocked").await["roomId"], old.to_string(), "it is Bob who is meant");
    while !matches!(bob.next().await, ServerMessage::PeerDisconnected { .. }) {}
    // What names its room needs no such care.
    let named = json!({ "roomId": new.to_string(), "text": "for Eve by name" });
    assert_eq!(ada.ask("send-message", named).await, None);
    ada.0.send_text("3").await;
    assert_eq!(ada.ask("send-message", json!({ "text": "for Eve" })).await, None);
    eve.expect_chat("for Eve by name", false).await;
    eve.expect_chat("for Eve", false).await;
}

/// A page may go on sending what the browser found for the call before.
#[tokio::test]
async fn candidates_of_the_last_call_do_not_reach_the_next() {
    let server = TestServer::start().await;
    let (mut ada, (_, mut bob), _) = rough_room(&server).await;
    let offer = |fragment| json!({ "offer": { "sdp": format!("a=ice-ufrag:{fragment}\r\n") } });
    let candidate = |fragment| json!({ "candidate": { "usernameFragment": fragment } });
    assert_eq!(ada.ask("offer", offer("aaaa")).await, None);
    assert_eq!(ada.ask("ice-candidate", candidate("aaaa")).await, None);
    for _ in 0..2 {
        assert!(matches!(bob.next().await, ServerMessage::Signal(_)));
    }
    let (_, mut eve) = server.peer("eve").await;
    eve.send(ClientMessage::Search(Default::default())).await;
    ada.emit("skip", json!(null)).await;
    assert!(matches!(eve.next().await, ServerMessage::Searching));
    eve.next_matched().await;
    ada.matched().await;
    let stale = Some("stale-candidate");
    assert_eq!(ada.ask("ice-candidate", candidate("aaaa")).await.as_deref(), stale);
    assert_eq!(ada.ask("offer", offer("bbbb")).await, None);
    assert_eq!(ada.ask("ice-candidate", candidate("aaaa")).await.as_deref(), stale);
    assert_eq!(ada.ask("ice-candidate", candidate("bbbb")).await, None);
    let ServerMessage::Signal(first) = eve.next().await else { panic!("no offer") };
    assert!(matches!(first.payload, RelayPayload::Offer(_)));
    let ServerMessage::Signal(second) = eve.next().await else { panic!("no candidate") };
    assert!(matches!(second.payload, RelayPayload::Candidate(it) if it.get().contains("bbbb")));
}
