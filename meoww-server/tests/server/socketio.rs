//! The web front end's side: the official Socket.IO client on the same lobby.

use futures_util::SinkExt;
use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    limits::MAX_EVENT_BYTES,
    signal::{ClientMessage, RelayPayload, ServerMessage},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{Member, Peer, TestServer},
    socketio_rough::Rough,
    web::Web,
};

const ENGINE: &str = "/socket.io/?EIO=4&transport=polling";

/// Two web users in a room; the first makes the offer or not.
async fn web_room(server: &TestServer, transports: [&[&str]; 2]) -> ([Web; 2], String) {
    let (ada, bob) = (server.member("ada").await, server.member("bob").await);
    let mut first = Web::connect(server, &ada, transports[0]).await;
    let mut second = Web::connect(server, &bob, transports[1]).await;
    // A bare event, as the front end sends it.
    first.emit("search", json!([])).await;
    first.expect("searching", json!([{}])).await;
    second.emit("search", json!([])).await;
    let (mine, theirs) =
        (first.expect_event("matched").await, second.expect_event("matched").await);
    assert_eq!(mine["roomId"], theirs["roomId"]);
    assert_ne!(mine["isInitiator"], theirs["isInitiator"], "exactly one makes the offer");
    let room = mine["roomId"].as_str().expect("a room").to_owned();
    ([first, second], room)
}

async fn chat(from: &mut Web, to: &mut Web, room: &str, text: &str) {
    from.emit("send-message", json!([{ "text": text }])).await;
    let line = |own: bool| json!([{ "roomId": room, "text": text, "fromSelf": own }]);
    from.expect("receive-message", line(true)).await;
    to.expect("receive-message", line(false)).await;
}

async fn two_meet_by(transports: [&[&str]; 2]) {
    let server = TestServer::start().await;
    let ([mut ada, mut bob], room) = web_room(&server, transports).await;
    let offer = json!({ "type": "offer", "sdp": "v=0\r\nä" });
    ada.emit("offer", json!([{ "offer": offer }])).await;
    bob.expect("offer", json!([{ "roomId": room, "offer": offer }])).await;
    bob.emit("answer", json!([{ "answer": { "type": "answer" } }])).await;
    ada.expect("answer", json!([{ "roomId": room, "answer": { "type": "answer" } }])).await;
    ada.emit("ice-candidate", json!([{ "candidate": null }])).await;
    bob.expect("ice-candidate", json!([{ "roomId": room, "candidate": null }])).await;
    chat(&mut ada, &mut bob, &room, "hello \u{1f408}").await;
    chat(&mut bob, &mut ada, &room, "hello yourself").await;
    ada.emit("skip", json!([])).await;
    bob.expect("peer-disconnected", json!([{ "roomId": room }])).await;
    ada.expect("searching", json!([{}])).await;
}

#[tokio::test]
async fn two_web_users_meet_by_polling() {
    two_meet_by([&["polling"], &["polling"]]).await;
}

#[tokio::test]
async fn two_web_users_meet_by_websocket() {
    two_meet_by([&["websocket"], &["websocket"]]).await;
}

#[tokio::test]
async fn a_transport_is_upgraded_as_browsers_do() {
    two_meet_by([&["polling", "websocket"], &["polling"]]).await;
}

/// A web user and one on the plain socket in a room.
async fn mixed_room(server: &TestServer) -> (Web, (Member, Peer), RoomId) {
    let ada = server.member("ada").await;
    let mut web = Web::connect(server, &ada, &["websocket"]).await;
    let (bob, mut peer) = server.peer("bob").await;
    web.emit("search", json!([null])).await;
    web.expect("searching", json!([{}])).await;
    peer.send(ClientMessage::Search(Default::default())).await;
    let room = peer.next_matched().await.room_id;
    assert_eq!(web.expect_event("matched").await["roomId"], room.to_string());
    (web, (bob, peer), room)
}

#[tokio::test]
async fn a_web_user_and_a_terminal_user_meet() {
    let server = TestServer::start().await;
    let (mut web, (_, mut peer), room) = mixed_room(&server).await;
    web.emit("offer", json!([{ "offer": { "sdp": "v=0" } }])).await;
    let ServerMessage::Signal(relay) = peer.next().await else { panic!("no offer") };
    assert!(matches!(relay.payload, RelayPayload::Offer(o) if o.get() == r#"{"sdp":"v=0"}"#));
    peer.say(room, "hello").await;
    peer.expect_chat("hello", true).await;
    let hello = json!([{ "roomId": room.to_string(), "text": "hello", "fromSelf": false }]);
    web.expect("receive-message", hello).await;
    // Naming the room is fine as long as it is the present one.
    let other = "6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11";
    web.emit("send-message", json!([{ "roomId": other, "text": "for whom?" }])).await;
    web.expect_error("wrong-room").await;
    web.emit("send-message", json!([{ "roomId": room.to_string(), "text": "for you" }])).await;
    assert_eq!(web.expect_event("receive-message").await["fromSelf"], true);
    peer.expect_chat("for you", false).await;
    // A goodbye and a closed window are the same to the partner.
    drop(web);
    assert!(
        matches!(peer.next().await, ServerMessage::PeerDisconnected { room_id } if room_id == room)
    );
}

#[tokio::test]
async fn an_acknowledgement_says_what_became_of_an_event() {
    let server = TestServer::start().await;
    let ([mut ada, mut bob], room) = web_room(&server, [&["websocket"], &["polling"]]).await;
    ada.emit("offer", json!([{ "offer": 1 }])).await;
    bob.expect("offer", json!([{ "roomId": room, "offer": 1 }])).await;
    assert_eq!(bob.ask("answer", json!([{ "answer": 1 }])).await, json!({ "ok": true }));
    ada.expect_event("answer").await;
    bob.emit("dance", json!([])).await;
    bob.expect_error("unknown-event").await;
    assert_eq!(ada.ask("leave", json!([])).await, json!({ "ok": true }));
    bob.expect("peer-disconnected", json!([{ "roomId": room }])).await;
    bob.emit("send-message", json!([{ "text": "anybody?" }])).await;
    bob.expect_error("not-in-room").await;
}

#[tokio::test]
async fn absurd_events_hurt_nobody() {
    let server = TestServer::start().await;
    let ([mut ada, mut bob], room) = web_room(&server, [&["websocket"], &["polling"]]).await;
    let payloads = [json!([]), json!([null]), json!([0]), json!(["x"]), json!([[]]), json!([{}])];
    for event in ["offer", "answer", "ice-candidate", "send-message", "report"] {
        for payload in &payloads {
            ada.emit(event, payload.clone()).await;
            ada.expect_error("bad-event").await;
        }
    }
    for odd in [json!([{ "roomId": 7, "text": "x" }]), json!([{ "text": { "deep": [] } }])] {
        ada.emit("send-message", odd).await;
        ada.expect_error("bad-event").await;
    }
    ada.emit("send-message", json!([{ "text": "x".repeat(MAX_EVENT_BYTES) }])).await;
    ada.expect_error("too-large").await;
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    ada.packet(&format!("2[\"offer\",{deep}]")).await;
    ada.expect_error("bad-event").await;
    chat(&mut ada, &mut bob, &room, "still here").await;
    for odd in ["2{}", "2", "2[]", "2[7]", "2[\"offer\",[[", "2/,9[", "2999999999999999999999[]"] {
        ada.packet(odd).await;
        ada.expect_error("bad-event").await;
    }
    // What is no packet at all ends the connection it came on, and no other.
    let eve = server.member("eve").await;
    for packet in ["9", "5[\"offer\"]", "0"] {
        let mut hostile = Web::connect(&server, &eve, &["websocket"]).await;
        hostile.packet(packet).await;
        hostile.expect_event("disconnect").await;
    }
    chat(&mut bob, &mut ada, &room, "me too").await;
}

/// By WebSocket attachments are frames of their own, by polling they are packets in base64.
#[tokio::test]
async fn an_event_with_binary_data_is_refused_and_the_call_goes_on() {
    let server = TestServer::start().await;
    let ([mut ada, mut bob], room) = web_room(&server, [&["websocket"], &["polling"]]).await;
    for client in [&mut ada, &mut bob] {
        client.emit_binary("offer").await;
        client.expect_error("bad-event").await;
    }
    chat(&mut ada, &mut bob, &room, "still here").await;
    chat(&mut bob, &mut ada, &room, "me too").await;
}

#[tokio::test]
async fn only_members_are_let_in_and_others_are_told_why() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let gone = server.member("gone").await;
    let cookie = format!("access_token={}; refresh_token={}", gone.access, gone.refresh);
    server.post_with_cookie("/api/auth/logout", &cookie).await;
    let invalid = "Authentication error: Invalid token";
    for (headers, words) in [
        (json!({}), "Authentication error: No cookies found"),
        (json!({ "cookie": "theme=dark" }), "Authentication error: No access token"),
        (json!({ "cookie": "access_token=nonsense" }), invalid),
        (json!({ "cookie": cookie }), invalid),
        (json!({ "authorization": "Bearer nonsense" }), invalid),
    ] {
        for transport in ["polling", "websocket"] {
            let options = json!({ "transports": [transport], "extraHeaders": headers });
            let mut web = Web::open(&server, options).await;
            web.expect("connect_error", json!([words])).await;
        }
    }
    let bearer = json!({ "authorization": format!("Bearer {}", ada.access) });
    let options = json!({ "transports": ["polling"], "extraHeaders": bearer });
    Web::open(&server, options).await.expect("connect", json!([])).await;
    let mut foreign = bearer.clone();
    foreign["origin"] = "https://evil.example".into();
    for (transport, words) in [("polling", "xhr poll error"), ("websocket", "websocket error")] {
        let options = json!({ "transports": [transport], "extraHeaders": foreign });
        let mut web = Web::open(&server, options).await;
        web.expect("connect_error", json!([words])).await;
    }
}

#[tokio::test]
async fn the_front_end_may_poll_with_its_cookies() {
    let server = TestServer::start().await;
    let own = [("origin", "http://localhost:5173")];
    let reply = server.send(Method::GET, ENGINE, &own, "").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["access-control-allow-origin"], "http://localhost:5173");
    assert_eq!(reply.headers["access-control-allow-credentials"], "true");
    let foreign = [("origin", "https://evil.example")];
    let reply = server.send(Method::GET, ENGINE, &foreign, "").await;
    assert_eq!((reply.status, reply.error()), (StatusCode::FORBIDDEN, "Origin not allowed"));
}

/// Opens a transport and does not ask to be let in.
async fn open_transport(server: &TestServer) -> Result<String, StatusCode> {
    let reply = server.send_for_text(Method::GET, ENGINE).await;
    if reply.0 != StatusCode::OK {
        return Err(reply.0);
    }
    let open: Value = serde_json::from_str(&reply.1[1..]).expect("an open packet");
    Ok(open["sid"].as_str().expect("a session").to_owned())
}

#[tokio::test]
async fn strangers_cannot_pile_up() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let first = open_transport(&server).await.expect("the first has room");
    let refused = async {
        loop {
            if let Err(status) = open_transport(&server).await {
                return status;
            }
        }
    };
    assert_eq!(refused.await, StatusCode::SERVICE_UNAVAILABLE);
    // Members come in all the same.
    Web::connect(&server, &ada, &["polling"]).await;
    // Polls are answered for as long as the server has patience.
    let poll = format!("{ENGINE}&sid={first}");
    let refused = async {
        loop {
            let (status, _) = server.send_for_text(Method::GET, &poll).await;
            if status != StatusCode::OK {
                return status;
            }
        }
    };
    assert_eq!(refused.await, StatusCode::BAD_REQUEST, "it is gone");
    open_transport(&server).await.expect("there is room again");
}

#[tokio::test]
async fn a_logout_ends_the_sockets_of_its_session() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let mut web = Web::connect(&server, &ada, &["polling"]).await;
    let cookie = format!("access_token={}; refresh_token={}", ada.access, ada.refresh);
    server.post_with_cookie("/api/auth/logout", &cookie).await;
    web.expect_error("session-ended").await;
    web.expect("disconnect", json!(["io server disconnect"])).await;
}

#[tokio::test]
async fn a_web_user_may_block_the_one_it_talks_to() {
    let server = TestServer::start().await;
    let ([mut ada, mut bob], room) = web_room(&server, [&["websocket"], &["polling"]]).await;
    ada.emit("block", json!([])).await;
    bob.expect("peer-disconnected", json!([{ "roomId": room }])).await;
    ada.expect("blocked", json!([{ "roomId": room }])).await;
}

#[tokio::test]
async fn a_flood_is_dropped_and_the_partner_keeps_listening() {
    const SENT: usize = 2000;
    let server = TestServer::start().await;
    let mut ada = Rough::connect(&server, &server.member("ada").await).await;
    ada.emit("search", json!(null)).await;
    ada.expect("searching").await;
    let (_, mut bob) = server.peer("bob").await;
    bob.send(ClientMessage::Search(Default::default())).await;
    let room = bob.next_matched().await.room_id;
    ada.matched().await;
    for _ in 0..SENT {
        let event = Message::Text(r#"42["ice-candidate",{"candidate":{}}]"#.into());
        ada.0.socket.feed(event).await.expect("sent");
    }
    ada.0.socket.flush().await.expect("sent");
    while !ada.next_packet().await.contains("rate-limited") {}
    // Sooner or later there is room for an event again.
    bob.say(room, "done?").await;
    let mut passed = 0;
    loop {
        match bob.next().await {
            ServerMessage::Signal(_) => passed += 1,
            ServerMessage::Chat(chat) if chat.from_self => {
                ada.emit("send-message", json!({ "text": "sorry" })).await;
                bob.say(room, "done?").await;
            }
            ServerMessage::Chat(chat) => break assert_eq!(chat.text, "sorry"),
            ServerMessage::Error(error) => assert_eq!(error.code, SignalErrorCode::RateLimited),
            other => panic!("{other:?}"),
        }
    }
    assert!((400..SENT).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_reader_who_stays_behind_is_cut_and_the_partner_goes_on() {
    let server = TestServer::start().await;
    let mut deaf = Rough::connect(&server, &server.member("deaf").await).await;
    deaf.emit("search", json!(null)).await;
    deaf.expect("searching").await;
    let (_, mut ada) = server.peer("ada").await;
    ada.send(ClientMessage::Search(Default::default())).await;
    let room = ada.next_matched().await.room_id;
    let padding = format!("\"{}\"", "x".repeat(40_000));
    let padding = serde_json::value::RawValue::from_string(padding).expect("JSON");
    loop {
        ada.relay(room, RelayPayload::Offer(padding.clone())).await;
        // Whatever comes back sets the pace.
        ada.send_text("?").await;
        match ada.next().await {
            ServerMessage::Error(_) => {}
            ServerMessage::PeerDisconnected { room_id } => break assert_eq!(room_id, room),
            other => panic!("{other:?}"),
        }
        // As fast as she may for long.
        tokio::time::sleep(std::time::Duration::from_millis(410)).await;
    }
}

#[tokio::test]
async fn the_newer_window_takes_over_the_search() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let mut first = Web::connect(&server, &ada, &["websocket"]).await;
    let mut second = Web::connect(&server, &ada, &["websocket"]).await;
    first.emit("search", json!([])).await;
    first.expect("searching", json!([{}])).await;
    second.emit("search", json!([])).await;
    first.expect_error("taken-over").await;
    second.expect("searching", json!([{}])).await;
    second.disconnect().await;
    first.emit("search", json!([])).await;
    first.expect("searching", json!([{}])).await;
}

#[tokio::test]
async fn a_socket_does_not_outlive_its_session() {
    let lifetime = std::time::Duration::from_secs(3);
    let server = TestServer::with(|config| {
        config.limits = meoww_server::config::Limits::OFF;
        config.refresh_lifetime = lifetime;
    })
    .await;
    let ada = server.member("ada").await;
    let mut web = Web::connect(&server, &ada, &["websocket"]).await;
    let mut peer = server.connect(&ada, "").await;
    peer.next().await;
    let refreshed = OffsetDateTime::now_utc();
    let cookie = format!("refresh_token={}", ada.refresh);
    assert_eq!(server.post_with_cookie("/api/auth/refresh", &cookie).await.status, StatusCode::OK);
    web.expect_error("session-ended").await;
    web.expect("disconnect", json!(["io server disconnect"])).await;
    let lasted = OffsetDateTime::now_utc() - refreshed;
    assert!(lasted >= lifetime - std::time::Duration::from_millis(1), "a refresh counts: {lasted}");
    peer.expect_error(SignalErrorCode::SessionEnded).await;
}

#[tokio::test]
async fn a_stopping_server_lets_web_users_come_back_by_themselves() {
    let server = TestServer::start().await;
    let ([mut ada, mut bob], _) = web_room(&server, [&["websocket"], &["websocket"]]).await;
    let stopped = tokio::spawn(server.stop());
    for web in [&mut ada, &mut bob] {
        let mut next = web.next().await;
        if next.0 == "peer-disconnected" {
            next = web.next().await;
        }
        assert_eq!((&*next.0, &next.1[0]["code"]), ("error", &json!("shutting-down")));
        let (name, reason) = web.next().await;
        assert_eq!(name, "disconnect");
        assert_ne!(reason, json!(["io server disconnect"]), "that would be for good");
    }
    stopped.await.expect("it ends").expect("in good order");
}
