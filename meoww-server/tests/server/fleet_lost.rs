//! What others notice of a node that is killed: partners of its users, and those who wait.

use std::time::Duration;

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, Search, ServerMessage},
};

use crate::{
    fleet::{Shared, connect, expect_online, match_two},
    harness::{Peer, patiently},
    sockets::{chat, welcomed},
};

/// Says a line and returns why it was refused, if it was.
async fn say(peer: &mut Peer, room: RoomId) -> Option<SignalErrorCode> {
    peer.say(room, "anybody?").await;
    match peer.next().await {
        ServerMessage::Chat(line) if line.from_self => None,
        ServerMessage::Error(error) => Some(error.code),
        other => panic!("{other:?}"),
    }
}

/// Says lines until one is refused, and returns why: a node that is lost is counted on for a second.
async fn refusal(peer: &mut Peer, room: RoomId) -> SignalErrorCode {
    let refused = async {
        loop {
            if let Some(code) = say(peer, room).await {
                return code;
            }
            peer.next_within(Duration::from_millis(200)).await;
        }
    };
    patiently(refused).await
}

/// Both where the lost node is the one that matches, and where it is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_a_partner_on_a_killed_node_is_refused() {
    for is_first in [true, false] {
        let shared = Shared::new().await;
        let directory = tempfile::tempdir().expect("a directory");
        // The first to come matches.
        let before = if is_first { None } else { Some(shared.node(0).await) };
        let mut lost = shared.process(directory.path()).await;
        let node = match before {
            Some(node) => node,
            None => shared.node(0).await,
        };
        let (_, mut ada) = node.peer("ada").await;
        let bob_is = node.member("bob").await;
        let mut bob = connect(&lost.url, &bob_is, "").await;
        welcomed(&mut bob).await;
        let room = match_two(&mut ada, &mut bob).await;
        chat(&mut ada, &mut bob, room, "there?").await;
        patiently(lost.kill()).await;
        assert_eq!(refusal(&mut ada, room).await, SignalErrorCode::PartnerAway, "{is_first}");
        let mut bob = connect(&node.url, &bob_is, &format!("?resume={room}")).await;
        assert_eq!(welcomed(&mut bob).await, Some(room));
        chat(&mut ada, &mut bob, room, "there you are").await;
    }
}

/// The node that matches goes, and with it those who wait there.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_at_the_matcher_outlives_it() {
    let shared = Shared::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut matcher = shared.process(directory.path()).await;
    let node = shared.node(0).await;
    let search = |tags: &[&str]| {
        let tags = tags.iter().map(|tag| tag.parse().expect("a tag")).collect();
        ClientMessage::Search(Search { tags, wait_seconds: Some(60) })
    };
    let ada_is = node.member("ada").await;
    let mut ada = connect(&matcher.url, &ada_is, "").await;
    welcomed(&mut ada).await;
    ada.send(search(&["tea"])).await;
    assert!(matches!(ada.next().await, ServerMessage::Searching));
    // Later by a password hash, which is longer than a message takes between nodes.
    let (_, mut bob) = node.peer("bob").await;
    bob.send(search(&["sea"])).await;
    assert!(matches!(bob.next().await, ServerMessage::Searching));
    expect_online(&mut bob, 2).await;
    matcher.signal("TERM");
    while ada.next_raw().await.is_some_and(|message| message.is_ok()) {}
    drop(ada);
    assert_eq!(matcher.ended().await, 0);
    let mut ada = connect(&node.url, &ada_is, "").await;
    welcomed(&mut ada).await;
    ada.send(search(&["tea"])).await;
    assert!(matches!(ada.next().await, ServerMessage::Searching));
    let (_, mut cat) = node.peer("cat").await;
    cat.send(search(&["sea", "tea"])).await;
    assert!(matches!(cat.next().await, ServerMessage::Searching));
    let (one, two) = (cat.next_matched().await, ada.next_matched().await);
    assert_eq!(one.room_id, two.room_id, "bob came later");
}
