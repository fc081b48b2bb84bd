//! Events whose JSON is well-formed and means harm.

use meoww_proto::{
    error::SignalErrorCode,
    signal::{ClientMessage, ServerMessage},
};
use reqwest::{Method, StatusCode};

use crate::{
    harness::{Peer, TestServer},
    sockets::{chat, room_of_two, welcomed},
};

const ROOM_EVENTS: [&str; 6] =
    ["offer", "answer", "ice-candidate", "send-message", "block", "report"];

async fn expect_refusal(peer: &mut Peer, text: &str) {
    peer.send_text(text).await;
    match peer.next().await {
        ServerMessage::Error(error) => assert!(
            matches!(
                error.code,
                SignalErrorCode::BadEvent
                    | SignalErrorCode::TooLarge
                    | SignalErrorCode::UnknownEvent
            ),
            "{text:.80}: {error:?}"
        ),
        other => panic!("{text:.80}: {other:?}"),
    }
}

#[tokio::test]
async fn payloads_of_no_shape_are_refused_one_by_one() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    let digits = "9".repeat(30_000);
    let payloads = [
        "null".to_owned(),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        "-0".to_owned(),
        "1e999999".to_owned(),
        digits.clone(),
        "{}".to_owned(),
        r#"{"roomId":null}"#.to_owned(),
        r#"{"roomId":{"$gt":""},"text":"x","reason":"x"}"#.to_owned(),
        format!(r#"{{"roomId":{digits},"text":"x"}}"#),
        format!(r#"{{"roomId":"{room}","text":null,"reason":null,"offer":}}"#),
        // Which of the two would be meant?
        format!(
            r#"{{"roomId":"{room}","roomId":"{room}","text":"x","reason":"x","offer":1,"answer":1,"candidate":1}}"#
        ),
        format!(
            r#"{{"roomId":"{room}","text":["x"],"reason":{{}},"offer":1,"offer":2,"answer":1,"answer":2,"candidate":1,"candidate":2}}"#
        ),
    ];
    for event in ROOM_EVENTS {
        expect_refusal(&mut ada, &format!(r#"{{"event":"{event}"}}"#)).await;
        // `block` reads nothing but the room, which the last payload names as it should.
        let meant = usize::from(event == "block");
        for payload in &payloads[..payloads.len() - meant] {
            expect_refusal(&mut ada, &format!(r#"{{"event":"{event}","data":{payload}}}"#)).await;
        }
    }
    for text in [
        r#"{"event":"skip","event":"leave"}"#,
        r#"{"event":"leave","data":null,"data":null}"#,
        r#"{"event":null}"#,
        r#"{"event":["leave"]}"#,
        r#"{"event":"__proto__","data":{"constructor":{}}}"#,
        r#"{"event":"search","data":{"tags":null}}"#,
        r#"{"event":"search","data":{"tags":[1]}}"#,
        r#"{"event":"search","data":{"waitSeconds":-1}}"#,
        r#"{"event":"search","data":{"waitSeconds":1e300}}"#,
        "{\"event\":\"leave\"}\u{0}",
        "\u{feff}{\"event\":\"leave\"}",
    ] {
        expect_refusal(&mut ada, text).await;
    }
    chat(&mut ada, &mut bob, room, "none the worse").await;
}

#[tokio::test]
async fn depth_without_end_is_no_way_down() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let depth = 100_000 / open.len();
        let (down, up) = (open.repeat(depth), close.repeat(depth));
        expect_refusal(&mut ada, &down).await;
        expect_refusal(&mut ada, &format!(r#"{{"event":"search","data":{down}0{up}}}"#)).await;
        let few = 20_000 / open.len();
        let deep = format!("{}0{}", open.repeat(few), close.repeat(few));
        expect_refusal(&mut ada, &format!(r#"{{"event":"search","data":{{"tags":{deep}}}}}"#))
            .await;
        for event in ["send-message", "block", "report"] {
            for data in [deep.clone(), format!(r#"{{"roomId":{deep}}}"#)] {
                let text = format!(r#"{{"event":"{event}","data":{data}}}"#);
                expect_refusal(&mut ada, &text).await;
            }
        }
        // What nobody here looks into is passed on as it is, and ours can take it.
        let offer = format!(r#"{{"event":"offer","data":{{"roomId":"{room}","offer":{deep}}}}}"#);
        ada.send_text(offer).await;
        assert!(matches!(bob.next().await, ServerMessage::Signal(_)));
    }
    let json = [("content-type", "application/json")];
    for path in ["signup", "login", "verify", "resend-otp"] {
        for body in ["[".repeat(60_000), format!("{}0", r#"{"email":"#.repeat(6_000))] {
            let path = format!("/api/auth/{path}");
            let reply = server.send(Method::POST, &path, &json, body).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}");
        }
    }
    chat(&mut ada, &mut bob, room, "none the worse").await;
}

#[tokio::test]
async fn a_third_who_knows_the_room_gets_nothing_in_or_out() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    let (member, mut eve) = server.peer("eve").await;
    eve.say(room, "let me in").await;
    eve.expect_error(SignalErrorCode::NotInRoom).await;
    let mut thief = server.connect(&member, &format!("?resume={room}")).await;
    assert_eq!(welcomed(&mut thief).await, None);
    thief.say(room, "let me in").await;
    thief.expect_error(SignalErrorCode::NotInRoom).await;

    let (_, mut cat) = server.peer("cat").await;
    let other = crate::sockets::meet(&mut thief, &mut cat).await;
    thief.say(room, "let me in").await;
    thief.expect_error(SignalErrorCode::WrongRoom).await;
    for end in [ClientMessage::Leave, ClientMessage::Cancel] {
        eve.send(end).await;
    }
    chat(&mut ada, &mut bob, room, "just us").await;
    chat(&mut bob, &mut ada, room, "just us").await;
    chat(&mut cat, &mut thief, other, "and us").await;
}
