//! Two and three users on sockets.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt};
use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    limits::{MAX_CHAT_CHARS, MAX_EVENT_BYTES},
    signal::{ClientMessage, RelayPayload, ServerMessage},
};
use reqwest::StatusCode;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::{self, Message, protocol::frame::coding::CloseCode};

use crate::harness::{Member, Peer, TestServer, patiently};

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

/// Two members in a room.
pub(crate) async fn room_of_two(server: &TestServer) -> ([Member; 2], [Peer; 2], RoomId) {
    let (ada, mut first) = server.peer("ada").await;
    let (bob, mut second) = server.peer("bob").await;
    let room = meet(&mut first, &mut second).await;
    ([ada, bob], [first, second], room)
}

pub(crate) async fn meet(first: &mut Peer, second: &mut Peer) -> RoomId {
    first.send(ClientMessage::Search(Default::default())).await;
    assert!(matches!(first.next().await, ServerMessage::Searching));
    second.send(ClientMessage::Search(Default::default())).await;
    let (mine, theirs) = (first.next_matched().await, second.next_matched().await);
    assert_eq!(mine.room_id, theirs.room_id);
    assert_ne!(mine.is_initiator, theirs.is_initiator, "exactly one makes the offer");
    mine.room_id
}

/// A chat line one way and its echo; whatever came before it would be in the way.
pub(crate) async fn chat(from: &mut Peer, to: &mut Peer, room: RoomId, text: &str) {
    from.say(room, text).await;
    from.expect_chat(text, true).await;
    to.expect_chat(text, false).await;
}

pub(crate) async fn expect_gone(peer: &mut Peer, room: RoomId) {
    match peer.next().await {
        ServerMessage::PeerDisconnected { room_id } => assert_eq!(room_id, room),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn welcomed(peer: &mut Peer) -> Option<RoomId> {
    match peer.next().await {
        ServerMessage::Welcome(welcome) => welcome.room_id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_meet_and_relay_byte_for_byte() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    let offer = r#"{"type":"offer","sdp":"v=0\r\n\u00e4","n":1.000000000000000000001}"#;
    let answer = r#"{ "sdp" : "v=0" , "type" : "answer" }"#;
    let candidate = r#"{"candidate":"candidate:1 1 UDP 1 192.0.2.1 9 typ host","sdpMid":"0"}"#;
    ada.relay(room, RelayPayload::Offer(raw(offer))).await;
    bob.relay(room, RelayPayload::Answer(raw(answer))).await;
    bob.relay(room, RelayPayload::Candidate(raw(candidate))).await;
    let signal = |message| match message {
        ServerMessage::Signal(relay) if relay.room_id == room => relay.payload,
        other => panic!("{other:?}"),
    };
    let (at_bob, first, second) = (bob.next().await, ada.next().await, ada.next().await);
    assert!(matches!(signal(at_bob), RelayPayload::Offer(json) if json.get() == offer));
    assert!(matches!(signal(first), RelayPayload::Answer(json) if json.get() == answer));
    assert!(matches!(signal(second), RelayPayload::Candidate(json) if json.get() == candidate));
    chat(&mut ada, &mut bob, room, "hello \u{1f408} \u{1b}[31m").await;
    chat(&mut bob, &mut ada, room, &"ä".repeat(MAX_CHAT_CHARS)).await;
}

#[tokio::test]
async fn the_socket_is_for_members_and_the_frontend_only() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let bearer = format!("Bearer {}", ada.access);
    let cookie = format!("access_token={}", ada.access);
    let refused = |outcome: Result<Peer, tungstenite::Error>| match outcome {
        Err(tungstenite::Error::Http(response)) => response.status(),
        Err(other) => panic!("{other}"),
        Ok(_) => StatusCode::SWITCHING_PROTOCOLS,
    };
    for (headers, status) in [
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Bearer nonsense")], StatusCode::UNAUTHORIZED),
        (vec![("cookie", "access_token=nonsense")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", &*bearer)], StatusCode::SWITCHING_PROTOCOLS),
        (vec![("cookie", &*cookie)], StatusCode::SWITCHING_PROTOCOLS),
        (vec![("cookie", &*cookie), ("origin", "https://evil.example")], StatusCode::FORBIDDEN),
        (vec![("cookie", &*cookie), ("origin", "null")], StatusCode::FORBIDDEN),
        (
            vec![("cookie", &*cookie), ("origin", "http://localhost:5173")],
            StatusCode::SWITCHING_PROTOCOLS,
        ),
    ] {
        assert_eq!(refused(server.open("", &headers).await), status, "{headers:?}");
    }
    let plain = server.get_as("/ws", &ada.access).await;
    assert_eq!(
        (plain.status, plain.error()),
        (StatusCode::BAD_REQUEST, "WebSocket upgrade required")
    );
}

#[tokio::test]
async fn what_names_another_room_is_dropped() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    let other = "6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11".parse().expect("a room id");
    ada.say(other, "not for you").await;
    ada.expect_error(SignalErrorCode::WrongRoom).await;
    ada.relay(other, RelayPayload::Offer(raw("{}"))).await;
    ada.expect_error(SignalErrorCode::WrongRoom).await;
    chat(&mut ada, &mut bob, room, "for you").await;

    ada.send(ClientMessage::Leave).await;
    expect_gone(&mut bob, room).await;
    for peer in [&mut ada, &mut bob] {
        peer.say(room, "too late").await;
        peer.expect_error(SignalErrorCode::NotInRoom).await;
    }
}

#[tokio::test]
async fn a_skip_leads_to_somebody_else() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], old) = room_of_two(&server).await;
    let (_, mut cat) = server.peer("cat").await;
    cat.send(ClientMessage::Search(Default::default())).await;
    assert!(matches!(cat.next().await, ServerMessage::Searching));
    // Bob talks on until he learns that Ada is gone; none of it may reach her new room.
    for n in 0..50 {
        bob.say(old, &n.to_string()).await;
        if n == 25 {
            ada.send(ClientMessage::Skip).await;
        }
    }
    let matched = loop {
        match ada.next().await {
            ServerMessage::Matched(matched) => break matched,
            ServerMessage::Chat(chat) => assert_eq!(chat.room_id, old),
            other => panic!("{other:?}"),
        }
    };
    assert_ne!(matched.room_id, old);
    assert_eq!(cat.next_matched().await.room_id, matched.room_id);
    chat(&mut cat, &mut ada, matched.room_id, "hello").await;
    chat(&mut ada, &mut cat, matched.room_id, "hello").await;
    loop {
        match bob.next().await {
            ServerMessage::PeerDisconnected { room_id } => break assert_eq!(room_id, old),
            ServerMessage::Chat(chat) => assert!(chat.from_self),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_search_can_be_cancelled() {
    let server = TestServer::start().await;
    let (_, mut ada) = server.peer("ada").await;
    let (_, mut bob) = server.peer("bob").await;
    let (_, mut cat) = server.peer("cat").await;
    for end in [ClientMessage::Cancel, ClientMessage::Leave] {
        ada.send(ClientMessage::Search(Default::default())).await;
        assert!(matches!(ada.next().await, ServerMessage::Searching));
        ada.send(end).await;
    }
    // Answered only after what came before it was passed on.
    ada.send_text("?").await;
    ada.expect_error(SignalErrorCode::BadEvent).await;
    let room = meet(&mut bob, &mut cat).await;
    chat(&mut bob, &mut cat, room, "hello").await;
}

#[tokio::test]
async fn a_clean_close_ends_the_room_at_once() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    patiently(ada.socket.close(None)).await.expect("closed");
    expect_gone(&mut bob, room).await;
}

#[tokio::test]
async fn a_bad_event_is_answered_and_ends_nothing() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    let long = format!(
        r#"{{"event":"send-message","data":{{"roomId":"{room}","text":"{}"}}}}"#,
        "x".repeat(MAX_CHAT_CHARS + 1)
    );
    let huge = "x".repeat(MAX_EVENT_BYTES + 1);
    let cases = [
        ("", SignalErrorCode::BadEvent),
        ("null", SignalErrorCode::BadEvent),
        (r#"{"event":"offer"}"#, SignalErrorCode::BadEvent),
        (r#"{"event":"welcome"}"#, SignalErrorCode::UnknownEvent),
        (&long, SignalErrorCode::TooLarge),
        (&huge, SignalErrorCode::TooLarge),
    ];
    for (text, code) in cases {
        ada.send_text(text).await;
        ada.expect_error(code).await;
    }
    ada.socket.send(Message::Binary(vec![0, 159, 146, 150].into())).await.expect("sent");
    ada.expect_error(SignalErrorCode::BadEvent).await;
    chat(&mut ada, &mut bob, room, "none the worse").await;
}

#[tokio::test]
async fn an_over_long_frame_closes_the_connection() {
    let server = TestServer::start().await;
    let (_, mut ada) = server.peer("ada").await;
    let frame = "x".repeat(5 * MAX_EVENT_BYTES);
    // The server need not read it to the end.
    let _ = patiently(ada.socket.send(Message::Text(frame.into()))).await;
    ada.expect_error(SignalErrorCode::TooLarge).await;
    match ada.next_raw().await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Size),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_flood_is_dropped_and_the_partner_keeps_listening() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    const SENT: usize = 2000;
    let flood = async {
        let candidate = RelayPayload::Candidate(raw("{}"));
        let message =
            ClientMessage::Relay(meoww_proto::signal::Relay { room_id: room, payload: candidate });
        for _ in 0..SENT {
            ada.socket.feed(Message::Text(message.encode().into())).await.expect("sent");
        }
        ada.socket.flush().await.expect("sent");
        // What is dropped is not answered; sooner or later there is room for an event again.
        let mut complaints = 0;
        loop {
            ada.say(room, "sorry").await;
            match ada.next().now_or_never() {
                Some(ServerMessage::Error(error)) => {
                    assert_eq!(error.code, SignalErrorCode::RateLimited);
                    complaints += 1;
                }
                Some(ServerMessage::Chat(chat)) => break assert!(chat.from_self),
                Some(other) => panic!("{other:?}"),
                None => tokio::task::yield_now().await,
            }
        }
        complaints
    };
    let listen = async {
        let mut passed = 0;
        loop {
            match bob.next().await {
                ServerMessage::Signal(_) => passed += 1,
                ServerMessage::Chat(_) => break passed,
                other => panic!("{other:?}"),
            }
        }
    };
    let (complaints, passed) = patiently(futures_util::future::join(flood, listen)).await;
    assert!(complaints >= 1);
    assert!((400..SENT).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_reader_who_stays_behind_is_cut_and_the_partner_goes_on() {
    let server = TestServer::start().await;
    let (_, mut ada) = server.peer("ada").await;
    let bob_member = server.member("bob").await;
    let mut bob = server.connect_with_little_room(&bob_member).await;
    assert_eq!(welcomed(&mut bob).await, None);
    let room = meet(&mut ada, &mut bob).await;
    // Bob reads nothing. Ada's lines come back for as long as he counts as connected.
    let line = "\u{1f408}".repeat(MAX_CHAT_CHARS);
    loop {
        ada.say(room, &line).await;
        match ada.next().await {
            ServerMessage::Chat(chat) => assert!(chat.from_self),
            ServerMessage::Error(error) => {
                // Its queue was full, or the system took nothing from it for too long.
                let codes = [SignalErrorCode::PartnerSlow, SignalErrorCode::PartnerAway];
                break assert!(codes.contains(&error.code), "{error:?}");
            }
            other => panic!("{other:?}"),
        }
        // As fast as she may for long.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut back = server.connect(&bob_member, &format!("?resume={room}")).await;
    assert_eq!(welcomed(&mut back).await, Some(room), "his place was kept");
    chat(&mut ada, &mut back, room, "hello again").await;
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], _) = room_of_two(&server).await;
    let stopping = tokio::spawn(server.stop());
    for peer in [&mut ada, &mut bob] {
        peer.expect_error(SignalErrorCode::ShuttingDown).await;
        match peer.next_raw().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("{other:?}"),
        }
        assert!(!matches!(peer.next_raw().await, Some(Ok(_))));
    }
    stopping.await.expect("no panic").expect("everything is on disk");
}
