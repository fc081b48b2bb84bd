//! Users with more than one connection: a lost one and its successor, or several at once.

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, ServerMessage},
};
use meoww_server::core::lobby::MAX_CONNECTIONS;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{Peer, TestServer},
    sockets::{chat, expect_gone, room_of_two, welcomed},
};

/// Breaks a connection; returns when the server has seen it.
async fn lose(lost: Peer, partner: &mut Peer, room: RoomId) {
    drop(lost);
    for line in 0.. {
        partner.say(room, &line.to_string()).await;
        match partner.next().await {
            ServerMessage::Chat(_) => tokio::task::yield_now().await,
            ServerMessage::Error(error) => {
                return assert_eq!(error.code, SignalErrorCode::PartnerAway);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_second_tab_takes_over_the_search_and_leaves_a_call_alone() {
    let server = TestServer::start().await;
    let (member, mut tab) = server.peer("ada").await;
    let mut second = server.connect(&member, "").await;
    assert_eq!(welcomed(&mut second).await, None);
    tab.send(ClientMessage::Search(Default::default())).await;
    assert!(matches!(tab.next().await, ServerMessage::Searching));
    second.send(ClientMessage::Search(Default::default())).await;
    assert!(matches!(second.next().await, ServerMessage::Searching));
    tab.expect_error(SignalErrorCode::TakenOver).await;

    let (_, mut bob) = server.peer("bob").await;
    bob.send(ClientMessage::Search(Default::default())).await;
    let room = bob.next_matched().await.room_id;
    assert_eq!(second.next_matched().await.room_id, room);
    for message in [ClientMessage::Search(Default::default()), ClientMessage::Skip] {
        tab.send(message).await;
        tab.expect_error(SignalErrorCode::InCallElsewhere).await;
    }
    chat(&mut bob, &mut second, room, "still here").await;
}

#[tokio::test]
async fn a_lost_connection_is_taken_up_again() {
    let server = TestServer::start().await;
    let ([member, _], [ada, mut bob], room) = room_of_two(&server).await;
    lose(ada, &mut bob, room).await;
    let mut back = server.connect(&member, &format!("?resume={room}")).await;
    assert_eq!(welcomed(&mut back).await, Some(room));
    chat(&mut back, &mut bob, room, "I am back").await;
    chat(&mut bob, &mut back, room, "so you are").await;
}

#[tokio::test]
async fn a_program_started_afresh_leaves_the_lost_room_behind() {
    let server = TestServer::start().await;
    let ([member, _], [ada, mut bob], room) = room_of_two(&server).await;
    lose(ada, &mut bob, room).await;
    let mut afresh = server.connect(&member, "").await;
    assert_eq!(welcomed(&mut afresh).await, None);
    afresh.send(ClientMessage::Search(Default::default())).await;
    expect_gone(&mut bob, room).await;
    assert!(matches!(afresh.next().await, ServerMessage::Searching));
}

#[tokio::test]
async fn a_client_may_take_its_room_from_a_dead_connection_of_its_own() {
    let server = TestServer::start().await;
    let ([member, _], [mut dead, mut bob], room) = room_of_two(&server).await;
    let (stranger, _) = server.peer("eve").await;
    let query = format!("?resume={room}");
    let mut thief = server.connect(&stranger, &query).await;
    assert_eq!(welcomed(&mut thief).await, None);
    for nonsense in ["?resume=nonsense", "?resume=", "?resume=6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11"]
    {
        let mut tab = server.connect(&member, nonsense).await;
        assert_eq!(welcomed(&mut tab).await, None);
    }
    let mut back = server.connect(&member, &query).await;
    assert_eq!(welcomed(&mut back).await, Some(room));
    dead.expect_error(SignalErrorCode::TakenOver).await;
    assert!(matches!(dead.next_raw().await, Some(Ok(Message::Close(Some(_))))));
    chat(&mut back, &mut bob, room, "I am back").await;
    chat(&mut bob, &mut back, room, "so you are").await;
}

#[tokio::test]
async fn nobody_fills_the_server_with_sockets_of_one_account() {
    let server = TestServer::start().await;
    let ([member, _], [mut ada, mut bob], room) = room_of_two(&server).await;
    let mut tabs = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut tab = server.connect(&member, "").await;
        assert_eq!(welcomed(&mut tab).await, None);
        tabs.push(tab);
    }
    tabs[0].expect_error(SignalErrorCode::TakenOver).await;
    assert!(matches!(tabs[0].next_raw().await, Some(Ok(Message::Close(Some(_))))));
    for tab in &mut tabs[1..] {
        tab.send_text("?").await;
        tab.expect_error(SignalErrorCode::BadEvent).await;
    }
    chat(&mut ada, &mut bob, room, "the call goes on").await;
}
