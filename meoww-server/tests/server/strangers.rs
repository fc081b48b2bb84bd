//! What users may ask of the lobby and do about one another, on sockets.

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, Presence, Report, Search, ServerMessage},
};
use meoww_server::{
    core::safety::{Line, MAX_REPORTS, Speaker},
    store::{ReportFilter, Store},
};
use reqwest::{Method, StatusCode};

use crate::{
    harness::{Peer, TestServer, patiently},
    sockets::{chat, expect_gone, meet, room_of_two},
};

const ELSEWHERE: &str = "6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11";

fn search_for(tag: &str) -> ClientMessage {
    let tags = vec![tag.parse().expect("a tag")];
    ClientMessage::Search(Search { tags, wait_seconds: Some(120) })
}

async fn expect_searching(peer: &mut Peer) {
    assert!(matches!(peer.next().await, ServerMessage::Searching));
}

async fn expect_blocked(peer: &mut Peer, room: RoomId) {
    match peer.next().await {
        ServerMessage::Blocked { room_id } => assert_eq!(room_id, room),
        other => panic!("not blocked: {other:?}"),
    }
}

async fn report(peer: &mut Peer, room_id: RoomId, reason: &str) -> ServerMessage {
    peer.send(ClientMessage::Report(Report { room_id, reason: reason.into() })).await;
    peer.next().await
}

#[tokio::test]
async fn a_common_tag_brings_two_together() {
    let server = TestServer::start().await;
    let (_, mut ada) = server.peer("ada").await;
    let (_, mut bob) = server.peer("bob").await;
    let (_, mut cat) = server.peer("cat").await;
    for (peer, tag) in [(&mut ada, "chess"), (&mut bob, "rust")] {
        peer.send(search_for(tag)).await;
        expect_searching(peer).await;
    }
    cat.send(search_for(" #RUST")).await;
    let room = cat.next_matched().await.room_id;
    assert_eq!(bob.next_matched().await.room_id, room);
    chat(&mut bob, &mut cat, room, "hello").await;
}

#[tokio::test]
async fn a_block_ends_the_room_and_outlives_connections() {
    let server = TestServer::start().await;
    let ([_, member], [mut ada, mut bob], room) = room_of_two(&server).await;
    ada.send(ClientMessage::Block { room_id: room }).await;
    expect_blocked(&mut ada, room).await;
    expect_gone(&mut bob, room).await;
    ada.say(room, "and another thing").await;
    ada.expect_error(SignalErrorCode::NotInRoom).await;

    // Whom one has met before that: the block is about a room that is long over.
    let (_, mut cat) = server.peer("cat").await;
    let earlier = meet(&mut cat, &mut bob).await;
    bob.send(ClientMessage::Leave).await;
    expect_gone(&mut cat, earlier).await;
    cat.send(ClientMessage::Block { room_id: earlier }).await;
    expect_blocked(&mut cat, earlier).await;

    drop(bob);
    let mut bob = server.connect(&member, "").await;
    assert!(matches!(bob.next().await, ServerMessage::Welcome(_)));
    // Ada and Cat have met nobody but Bob, and each of them looks past him.
    bob.send(ClientMessage::Search(Default::default())).await;
    expect_searching(&mut bob).await;
    let room = meet(&mut ada, &mut cat).await;
    chat(&mut ada, &mut cat, room, "never again").await;
}

#[tokio::test]
async fn two_who_cannot_see_each_other_go_on_writing_and_then_meet_others() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    ada.send(ClientMessage::Mismatch { room_id: room }).await;
    chat(&mut ada, &mut bob, room, "I cannot see you").await;
    ada.send(ClientMessage::Skip).await;
    expect_searching(&mut ada).await;
    expect_gone(&mut bob, room).await;
    bob.send(ClientMessage::Search(Default::default())).await;
    expect_searching(&mut bob).await;
    let (_, mut cat) = server.peer("cat").await;
    cat.send(ClientMessage::Search(Default::default())).await;
    let room = cat.next_matched().await.room_id;
    assert_eq!(ada.next_matched().await.room_id, room, "she was there first");
    let room_id = ELSEWHERE.parse().expect("a room");
    ada.send(ClientMessage::Mismatch { room_id }).await;
    ada.expect_error(SignalErrorCode::WrongRoom).await;
}

#[tokio::test]
async fn a_block_taken_back_is_no_more() {
    let server = TestServer::start().await;
    let ([member, _], [mut ada, mut bob], room) = room_of_two(&server).await;
    ada.send(ClientMessage::Block { room_id: room }).await;
    expect_blocked(&mut ada, room).await;
    expect_gone(&mut bob, room).await;
    for peer in [&mut ada, &mut bob] {
        peer.send(ClientMessage::Search(Default::default())).await;
        expect_searching(peer).await;
    }
    let path = format!("/api/auth/blocks/{room}");
    let bearer = format!("Bearer {}", member.access);
    let reply = server.send(Method::DELETE, &path, &[("authorization", &bearer)], "").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(ada.next_matched().await.room_id, bob.next_matched().await.room_id);
}

#[tokio::test]
async fn only_strangers_one_has_met_can_be_blocked_or_reported() {
    let server = TestServer::start().await;
    let (_, _both, room) = room_of_two(&server).await;
    let (_, mut eve) = server.peer("eve").await;
    let elsewhere: RoomId = ELSEWHERE.parse().expect("a room id");
    for room_id in [elsewhere, room] {
        eve.send(ClientMessage::Block { room_id }).await;
        eve.expect_error(SignalErrorCode::WrongRoom).await;
        assert!(matches!(
            report(&mut eve, room_id, "hm").await,
            ServerMessage::Error(error) if error.code == SignalErrorCode::WrongRoom
        ));
    }
}

#[tokio::test]
async fn a_report_is_kept_with_what_was_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let data_dir = dir.path().join("data");
    let server = TestServer::with(|config| {
        config.data_dir = data_dir.clone();
        config.database = None;
    })
    .await;
    let ([one, other], [mut ada, mut bob], room) = room_of_two(&server).await;
    chat(&mut ada, &mut bob, room, "hello").await;
    chat(&mut bob, &mut ada, room, "boo").await;
    let filed = report(&mut ada, room, "rude").await;
    assert!(matches!(filed, ServerMessage::Reported { room_id } if room_id == room));
    chat(&mut ada, &mut bob, room, "a report ends no call").await;
    bob.send(ClientMessage::Leave).await;
    expect_gone(&mut ada, room).await;
    for _ in 1..MAX_REPORTS {
        let filed = report(&mut ada, room, "still").await;
        assert!(matches!(filed, ServerMessage::Reported { .. }), "{filed:?}");
    }
    let refused = report(&mut ada, room, "one too many").await;
    assert!(matches!(
        refused,
        ServerMessage::Error(error) if error.code == SignalErrorCode::RateLimited
    ));
    drop((ada, bob));
    server.stop().await.expect("stopped");

    // The flushing thread lets go of the database a moment after its last client.
    let reopened = async {
        loop {
            match Store::open(&data_dir.join("db")) {
                Ok(store) => break store,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let reports = patiently(reopened).await.reports(ReportFilter::default()).await.expect("read");
    assert_eq!(reports.len(), MAX_REPORTS);
    let (_, first) = reports.last().expect("the oldest");
    assert_eq!((first.reporter, first.reported), (Some(one.id), Some(other.id)));
    assert_eq!((first.room, &*first.reason), (room, "rude"));
    let line = |by, text: &str| Line { by, text: text.into() };
    assert_eq!(first.lines, [line(Speaker::Reporter, "hello"), line(Speaker::Reported, "boo")]);
}

#[tokio::test]
async fn presence_is_told_when_it_changed() {
    let server = TestServer::start().await;
    let (_, mut ada) = server.peer("ada").await;
    let (_, mut bob) = server.peer("bob").await;
    bob.send(ClientMessage::Search(Default::default())).await;
    for peer in [&mut ada, &mut bob] {
        while !matches!(
            peer.next_event().await,
            ServerMessage::Presence(Presence { online: 2, searching: 1 })
        ) {}
    }
    drop(bob);
    while !matches!(
        ada.next_event().await,
        ServerMessage::Presence(Presence { online: 1, searching: 0 })
    ) {}
}
