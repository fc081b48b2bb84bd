//! Nodes of a fleet that drain: clients go on at the others, and calls that cannot are waited for.

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, Search, ServerMessage},
};
use serde_json::json;

use crate::{
    fleet::match_two,
    fleet_admin::{Fleet, count, next, settled},
    sockets::{chat, welcomed},
    web::Web,
};

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_node_that_drains_go_on_at_another() {
    let mut fleet = Fleet::start(4).await;
    let mut ada = fleet.arrive(0, 0).await;
    let mut bob = fleet.arrive(1, 1).await;
    let mut cyd = fleet.arrive(2, 0).await;
    let room = match_two(&mut ada, &mut bob).await;
    cyd.send(ClientMessage::Search(Search::default())).await;
    assert!(matches!(cyd.next().await, ServerMessage::Searching));

    let first = fleet.number(0).await;
    let draining = fleet.operators[1].ask(&["drain", &first, "--for", "1h"]).await;
    assert_eq!(draining["node"].to_string(), first);
    assert_eq!((&draining["connections"], &draining["seconds"]), (&json!(2), &json!(3600)));
    for peer in [&mut ada, &mut cyd] {
        let event = next(peer).await;
        assert!(matches!(event, ServerMessage::Draining { seconds: 3590.. }), "{event:?}");
        peer.expect_error(SignalErrorCode::ShuttingDown).await;
    }
    // The last has gone, so the node goes, and its operator is told nothing of silence.
    assert_eq!(fleet.nodes[0].ended().await, 0);
    let mut ada = fleet.connect(0, 2, &format!("?resume={room}")).await;
    assert_eq!(welcomed(&mut ada).await, Some(room));
    chat(&mut ada, &mut bob, room, "moved").await;
    chat(&mut bob, &mut ada, room, "stayed").await;
    let mut cyd = fleet.arrive(2, 1).await;
    let mut dan = fleet.arrive(3, 2).await;
    match_two(&mut cyd, &mut dan).await;
    let stats = fleet.operators[1].ask(&["stats"]).await;
    assert_eq!(stats["nodes"].as_array().expect("nodes").len(), 2, "{stats}");
}

/// The room of a web user who searches, once it is matched.
async fn matched(web: &mut Web) -> RoomId {
    web.expect("searching", json!([{}])).await;
    let room = web.expect_event("matched").await["roomId"].clone();
    room.as_str().expect("an id").parse().expect("an id")
}

async fn expect_draining(web: &mut Web) {
    let seconds = web.expect_event("draining").await["seconds"].as_u64();
    assert!(seconds.is_some_and(|seconds| seconds > 290), "{seconds:?}");
}

/// It takes up no room again, so it stays until the call is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_user_finishes_the_call_on_a_node_that_drains() {
    let mut fleet = Fleet::start(3).await;
    let (mut ada, mut eve) = (fleet.web(0, 0).await, fleet.web(1, 0).await);
    let mut bob = fleet.arrive(2, 0).await;
    bob.send(ClientMessage::Search(Search::default())).await;
    ada.emit("search", json!([])).await;
    let room = matched(&mut ada).await;
    while !matches!(next(&mut bob).await, ServerMessage::Matched(_)) {}

    let first = fleet.number(0).await;
    fleet.operators[1].ask(&["drain", &first, "--for", "1h"]).await;
    expect_draining(&mut ada).await;
    // In no room, and in one that it takes up at another node.
    expect_draining(&mut eve).await;
    eve.expect_error("shutting-down").await;
    assert!(matches!(next(&mut bob).await, ServerMessage::Draining { .. }));
    bob.expect_error(SignalErrorCode::ShuttingDown).await;
    let mut bob = fleet.connect(2, 1, &format!("?resume={room}")).await;
    assert_eq!(welcomed(&mut bob).await, Some(room));
    bob.say(room, "moved").await;
    bob.expect_chat("moved", true).await;
    assert_eq!(ada.expect_event("receive-message").await["text"], "moved");
    bob.send(ClientMessage::Leave).await;
    ada.expect("peer-disconnected", json!([{ "roomId": room.to_string() }])).await;
    ada.expect_error("shutting-down").await;
    assert_eq!(fleet.nodes[0].ended().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_drain_together_wait_for_a_call_across_them() {
    let mut fleet = Fleet::start(2).await;
    let (mut ada, mut bob) = (fleet.web(0, 0).await, fleet.web(1, 1).await);
    ada.emit("search", json!([])).await;
    bob.emit("search", json!([])).await;
    let (room, other) = (matched(&mut ada).await, matched(&mut bob).await);
    assert_eq!(room, other);
    let numbers = [fleet.number(0).await, fleet.number(1).await, fleet.number(2).await];
    for (node, number) in numbers.iter().enumerate().rev() {
        fleet.operators[node].ask(&["drain", number, "--for", "1h"]).await;
    }
    for web in [&mut ada, &mut bob] {
        expect_draining(web).await;
    }
    assert_eq!(fleet.nodes[2].ended().await, 0);
    // Each node is the only one that one of them has left.
    for (node, operator) in fleet.operators[..2].iter().enumerate() {
        let stats = settled(operator, 2).await;
        assert_eq!(count(&stats, "rooms"), 1, "{node}: {stats}");
    }
    ada.emit("send-message", json!([{ "text": "still here" }])).await;
    for web in [&mut ada, &mut bob] {
        assert_eq!(web.expect_event("receive-message").await["text"], "still here");
    }
    ada.emit("leave", json!([])).await;
    bob.expect("peer-disconnected", json!([{ "roomId": room.to_string() }])).await;
    for node in &mut fleet.nodes[..2] {
        assert_eq!(node.ended().await, 0);
    }
}

/// Neither node is one to go to, once each has heard of the other.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_end_together_send_nobody_to_each_other() {
    let mut fleet = Fleet::start(2).await;
    let (mut ada, mut bob) = (fleet.arrive(0, 0).await, fleet.arrive(1, 1).await);
    let room = match_two(&mut ada, &mut bob).await;
    for node in &fleet.nodes {
        node.signal("TERM");
    }
    for peer in [&mut ada, &mut bob] {
        let event = next(peer).await;
        assert!(matches!(event, ServerMessage::Draining { .. }), "{event:?}");
    }
    assert_eq!(fleet.nodes[2].ended().await, 0);
    chat(&mut ada, &mut bob, room, "still here").await;
    chat(&mut bob, &mut ada, room, "both of us").await;
    ada.send(ClientMessage::Leave).await;
    for node in &mut fleet.nodes[..2] {
        assert_eq!(node.ended().await, 0);
    }
}

/// The call keeps the node, whose other users have nowhere to go.
#[tokio::test(flavor = "multi_thread")]
async fn who_stays_is_told_when_the_last_other_node_drains_as_well() {
    let fleet = Fleet::start(20).await;
    let (mut ada, mut bob) = (fleet.web(0, 0).await, fleet.web(1, 0).await);
    ada.emit("search", json!([])).await;
    bob.emit("search", json!([])).await;
    assert_eq!(matched(&mut ada).await, matched(&mut bob).await);
    let mut peers = Vec::new();
    // More than go in the time that nodes take to hear of each other.
    for n in 0..140 {
        peers.push(fleet.arrive(2 + n % 18, 0).await);
    }
    fleet.nodes[0].signal("TERM");
    expect_draining(&mut ada).await;
    for node in &fleet.nodes[1..] {
        node.signal("TERM");
    }
    for peer in &mut peers {
        let event = next(peer).await;
        assert!(matches!(event, ServerMessage::Draining { .. }), "{event:?}");
    }
}
