//! Every Socket.IO client of the registries by every transport: from the token to the goodbye.

use serde_json::json;

use crate::{
    harness::TestServer,
    web::{Library, Web},
};

/// The oldest that speak the protocol, and the newest.
const LIBRARIES: [Library; 5] = [
    Library::JavaScript("socket.io-client-3.1"),
    Library::JavaScript("socket.io-client-4.0"),
    Library::NEWEST,
    Library::Python("sync"),
    Library::Python("async"),
];
const TRANSPORTS: [&[&str]; 3] = [&["polling"], &["websocket"], &["polling", "websocket"]];

#[tokio::test]
async fn every_client_meets_another_by_every_transport() {
    let server = TestServer::start().await;
    let mut ways: Vec<_> =
        TRANSPORTS.iter().flat_map(|way| LIBRARIES.map(|library| (library, *way))).collect();
    // An odd number: the first meets the last, too.
    ways.push(ways[0]);
    for (n, pair) in ways.chunks_exact(2).enumerate() {
        println!("{pair:?}");
        // Others each time: who has just met waits for somebody else.
        let ada = server.member(&format!("ada{n}")).await;
        let bob = server.member(&format!("bob{n}")).await;
        let [(one, by), (other, by_other)] = pair else { unreachable!("pairs") };
        let mut first = Web::connect_by(*one, &server, &ada, by).await;
        let mut second = Web::connect_by(*other, &server, &bob, by_other).await;
        let room = meet(&mut first, &mut second).await;
        talk(&mut first, &mut second, &room).await;
        first.ask_for("leave", json!([]), vec![]).await;
        second.expect("peer-disconnected", json!([{ "roomId": room }])).await;
        first.disconnect().await;
        second.disconnect().await;
    }
}

async fn meet(first: &mut Web, second: &mut Web) -> String {
    first.ask_for("search", json!([]), vec![("searching", json!([{}]))]).await;
    second.emit("search", json!([])).await;
    let matched = [first.expect_event("matched").await, second.expect_event("matched").await];
    assert_eq!(matched[0]["roomId"], matched[1]["roomId"]);
    assert_ne!(matched[0]["isInitiator"], matched[1]["isInitiator"]);
    matched[0]["roomId"].as_str().expect("a room").to_owned()
}

/// As the web front end does it: no payload names its room.
async fn talk(first: &mut Web, second: &mut Web, room: &str) {
    for (event, key, payload) in [
        ("offer", "offer", json!({ "type": "offer", "sdp": "v=0\r\na=ice-ufrag:aaaa\r\n" })),
        ("ice-candidate", "candidate", json!({ "candidate": "", "usernameFragment": "aaaa" })),
    ] {
        first.ask_for(event, json!([{ key: payload }]), vec![]).await;
        second.expect(event, json!([{ "roomId": room, key: payload }])).await;
    }
    let answer = json!({ "type": "answer", "sdp": "v=0\r\n" });
    second.ask_for("answer", json!([{ "answer": answer }]), vec![]).await;
    first.expect("answer", json!([{ "roomId": room, "answer": answer }])).await;
    let line = |own: bool| json!([{ "roomId": room, "text": "hello \u{1f408}", "fromSelf": own }]);
    let said = json!([{ "text": "hello \u{1f408}" }]);
    first.ask_for("send-message", said.clone(), vec![("receive-message", line(true))]).await;
    second.expect("receive-message", line(false)).await;
    second.ask_for("send-message", said, vec![("receive-message", line(true))]).await;
    first.expect("receive-message", line(false)).await;
}
