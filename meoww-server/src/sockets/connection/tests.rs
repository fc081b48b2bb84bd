use super::*;
use meoww_proto::{
    RoomId,
    signal::{Relay, RelayPayload},
};
use std::{pin::pin, sync::mpsc::sync_channel};

use futures_util::poll;
use tokio::{runtime, sync::mpsc, task::spawn_blocking};
use uuid::Uuid;

use crate::{
    config::Config,
    hub::Resumption,
    mail::Mailer,
    send_queue::{Inbox, Partner, SendQueue},
    testing::bearer,
};

async fn connection() -> Connection {
    let directory = tempfile::tempdir().expect("a directory");
    let mailer = Mailer::Memory(mpsc::channel(1).0);
    let services = Services::with_mailer(Config::new(directory.path().to_owned()), mailer);
    let user = UserId::from_bytes([1; 12]);
    let services = services.await.expect("opened");
    Connection::new(ConnId(1), user, services, crate::clock::instant())
}

/// Another user's connection, as the hub has it.
async fn connect(services: &Arc<Services>, name: u8) -> (Connection, Inbox) {
    let bearer = bearer(name);
    let (send_queue, inbox) = SendQueue::new();
    let connected = services
        .hub
        .connect(bearer, Resumption::Supported(None), send_queue)
        .await
        .expect("connected");
    let now = crate::clock::instant();
    (Connection::new(connected.conn, bearer.user, services.clone(), now), inbox)
}

fn room(n: u128) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(n))
}

fn matched(room: RoomId) -> ConnectionEvent {
    let (partner, _) = SendQueue::new();
    let stranger = UserId::from_bytes([2; 12]);
    ConnectionEvent::Matched {
        room,
        is_initiator: false,
        stranger,
        partner: Partner::Here(partner),
    }
}

fn line(room_id: RoomId) -> ConnectionEvent {
    ConnectionEvent::Relay(Relay { room_id, payload: RelayPayload::Chat("hello".into()) })
}

/// In a room with a partner who reads this, or not.
fn meet(connection: &mut Connection) -> Inbox {
    let (partner, inbox) = SendQueue::new();
    let stranger = UserId::from_bytes([2; 12]);
    connection.deliver(ConnectionEvent::Matched {
        room: room(1),
        is_initiator: false,
        stranger,
        partner: Partner::Here(partner),
    });
    inbox
}

/// The code with which an offer is refused, if it is.
async fn offer(connection: &mut Connection, now: Instant) -> Option<SignalErrorCode> {
    let json = format!("\"{}\"", "x".repeat(40_000));
    let offer = serde_json::value::RawValue::from_string(json).expect("JSON");
    let relay = Relay { room_id: room(1), payload: RelayPayload::Offer(offer) };
    let message = ClientMessage::Relay(relay);
    match connection.handle_event(now, true, || Ok(message)).await {
        EventOutcome::Done => None,
        EventOutcome::Refused { error, .. } => Some(error.code),
        EventOutcome::Answered(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_does_not_reach_the_partner_is_refused_with_its_reason() {
    let mut connection = connection().await;
    let mut now = crate::clock::instant();
    assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::NotInRoom));
    let inbox = meet(&mut connection);
    let mut passed = 0;
    let refused = loop {
        // Within the rate.
        now += std::time::Duration::from_secs(1);
        match offer(&mut connection, now).await {
            None => passed += 1,
            Some(code) => break code,
        }
    };
    assert_eq!((refused, passed), (SignalErrorCode::PartnerSlow, 1024 * 1024 / 40_002));
    drop(inbox);
    assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::PartnerAway));
    let inbox = meet(&mut connection);
    let refused = loop {
        if let Some(code) = offer(&mut connection, now).await {
            break code;
        }
    };
    assert_eq!(refused, SignalErrorCode::RateLimited);
    assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::RateLimited), "again");
    drop(inbox);
    let stranger = UserId::from_bytes([2; 12]);
    let alone = CurrentRoom { room: room(1), stranger, partner: None };
    connection.deliver(ConnectionEvent::Welcome(Some(alone)));
    now += std::time::Duration::from_secs(1);
    assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::PartnerAway));
}

#[tokio::test]
async fn nothing_of_another_room_reaches_the_client() {
    let mut connection = connection().await;
    assert!(connection.deliver(line(room(1))).is_none(), "in no room");
    connection.deliver(matched(room(1)));
    assert!(connection.deliver(line(room(1))).is_some());
    connection.deliver(matched(room(2)));
    assert!(connection.deliver(line(room(1))).is_none(), "from the last partner");
    assert!(connection.deliver(ConnectionEvent::RoomOver { room: room(1) }).is_none());
    assert!(connection.deliver(line(room(2))).is_some());
}

#[tokio::test]
async fn a_client_that_left_hears_no_more_of_its_room() {
    for leave in [ClientMessage::Leave, ClientMessage::Skip] {
        let mut connection = connection().await;
        connection.deliver(matched(room(1)));
        let now = crate::clock::instant();
        let outcome = connection.handle_event(now, false, || Ok(leave)).await;
        assert!(matches!(outcome, EventOutcome::Done));
        assert!(connection.deliver(line(room(1))).is_none());
        assert!(connection.deliver(ConnectionEvent::RoomOver { room: room(1) }).is_none());
        // Matched by the hub before it heard of the leave: the client is told how that ended.
        connection.deliver(matched(room(2)));
        assert!(connection.deliver(ConnectionEvent::RoomOver { room: room(2) }).is_some());
    }
}

/// The store stands still, as a database does that fails over.
#[test]
fn the_partner_of_who_blocks_does_not_wait_for_the_store() {
    let mut one_thread = runtime::Builder::new_current_thread();
    let runtime = one_thread.enable_all().start_paused(true).max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(async {
        let services = connection().await.services;
        let (mut ada, mut inbox) = connect(&services, 2).await;
        let (eve, mut told) = connect(&services, 3).await;
        for conn in [ada.conn, eve.conn] {
            services.hub.send_input(Input::Search(conn, SearchCriteria::default())).await;
        }
        assert_eq!(services.hub.counts().await.rooms, 1);
        while let Some(event) = inbox.try_recv() {
            ada.deliver(event);
        }
        let room_id = ada.current_room.as_ref().expect("matched").room;

        let (let_go, hold) = sync_channel::<()>(1);
        let held = spawn_blocking(move || hold.recv());
        let now = crate::clock::instant();
        let block = Ok(ClientMessage::Block { room_id });
        let mut blocked = pin!(ada.handle_event(now, true, || block));
        assert!(poll!(&mut blocked).is_pending(), "the store stands still");
        assert_eq!(services.hub.counts().await.rooms, 0);
        let mut events = std::iter::from_fn(|| told.try_recv());
        assert!(events.any(|event| matches!(event, ConnectionEvent::RoomOver { .. })));

        drop(let_go);
        let _ = held.await;
        let outcome = blocked.await;
        assert!(matches!(outcome, EventOutcome::Answered(ServerMessage::Blocked { .. })));
    });
}
