//! The hub without sockets, in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests read the clock")]

use std::{pin::pin, task::Poll};

use futures_util::{FutureExt, poll};
use meoww_proto::{error::SignalErrorCode, signal::Presence};
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    clock,
    core::{lobby::SearchCriteria, safety::Block},
    send_queue::{ConnectionEvent, Inbox},
    store::{Batch, Merge},
    testing::{account, bearer},
};

struct Guest {
    conn: ConnId,
    inbox: Inbox,
}

struct House {
    hub: HubHandle,
    _dir: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let hub = start(Store::open(dir.path()).expect("opened"), Lead::Alone(Box::default()));
        Self { hub, _dir: dir }
    }

    async fn sign_up(&self, n: u8) {
        let batch = Batch::of_accounts([(1, account(n, clock::now()))]);
        self.hub.store.import(batch, Merge::default()).await.expect("stored");
    }

    /// A connection of the user `n` under its session of that number.
    async fn connect_as(&self, n: u8, session: u8) -> Guest {
        let (send_queue, inbox) = SendQueue::new();
        let bearer = Bearer { user: bearer(n).user, session: bearer(session).session };
        let connected = self
            .hub
            .connect(bearer, Resumption::Supported(None), send_queue)
            .await
            .expect("connected");
        Guest { conn: connected.conn, inbox }
    }

    async fn connect(&self, n: u8) -> Guest {
        let mut guest = self.connect_as(n, n).await;
        let welcome = &self.heard(&mut guest).await[0];
        assert!(matches!(welcome, ConnectionEvent::Welcome(None)), "{welcome:?}");
        guest
    }

    async fn search(&self, guest: &Guest) {
        self.hub.send_input(Input::Search(guest.conn, SearchCriteria::default())).await;
    }

    async fn rooms(&self) -> Vec<OpenRoom> {
        self.hub.rooms(RoomsAfter { after: None, limit: usize::MAX }).await
    }

    async fn settled(&self) -> Counts {
        // Answered after everything that was said before.
        self.hub.counts().await
    }

    /// What waits for the guest now.
    async fn heard(&self, guest: &mut Guest) -> Vec<ConnectionEvent> {
        self.settled().await;
        std::iter::from_fn(|| guest.inbox.recv().now_or_never()).collect()
    }

    /// Two who met.
    async fn pair(&self, a: u8, b: u8) -> ([Guest; 2], RoomId) {
        let mut pair = [self.connect(a).await, self.connect(b).await];
        for guest in &pair {
            self.search(guest).await;
        }
        let mut rooms = Vec::new();
        for guest in &mut pair {
            let heard = self.heard(guest).await;
            rooms.extend(heard.iter().filter_map(|event| match event {
                ConnectionEvent::Matched { room, .. } => Some(*room),
                _ => None,
            }));
        }
        assert_eq!((rooms.len(), rooms[0]), (2, rooms[1]));
        (pair, rooms[0])
    }
}

fn notices(heard: &[ConnectionEvent]) -> usize {
    heard.iter().filter(|event| matches!(event, ConnectionEvent::Notice(_))).count()
}

fn closed(heard: &[ConnectionEvent]) -> bool {
    matches!(heard.last(), Some(ConnectionEvent::Closed(SignalErrorCode::SessionEnded)))
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_everybody_who_is_there() {
    let house = House::open();
    let ([mut ada, mut bob], _) = house.pair(1, 2).await;
    let mut second = house.connect(1).await;
    let mut gone = house.connect(3).await;
    let mut closed = house.connect(4).await;
    house.hub.send_input(Input::Disconnect(gone.conn, Departure::Lost)).await;
    house.hub.close(ConnectionSelector::User(bearer(4).user), SignalErrorCode::Banned).await;
    house.hub.broadcast("to all".into()).await;
    for guest in [&mut ada, &mut bob, &mut second] {
        let heard = house.heard(guest).await;
        let text = heard.iter().find_map(|event| match event {
            ConnectionEvent::Notice(text) => Some(&**text),
            _ => None,
        });
        assert_eq!((notices(&heard), text), (1, Some("to all")));
    }
    for guest in [&mut gone, &mut closed] {
        assert_eq!(notices(&house.heard(guest).await), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rooms_are_those_that_are_open() {
    let house = House::open();
    let (_first, one) = house.pair(1, 2).await;
    sleep(Duration::from_secs(60)).await;
    let (second, other) = house.pair(3, 4).await;
    let listed = async || {
        let mut rooms = house.rooms().await;
        rooms.sort_by_key(|open| open.since);
        rooms
    };
    let users = |open: &OpenRoom| {
        let mut users = open.members.map(|user| user.as_bytes()[0]);
        users.sort_unstable();
        users
    };
    let rooms = listed().await;
    assert_eq!(rooms.iter().map(|open| open.room).collect::<Vec<_>>(), [one, other]);
    assert_eq!(rooms.iter().map(users).collect::<Vec<_>>(), [[1, 2], [3, 4]]);
    // Only the stretch between the two is virtual; the wall clock ran a moment.
    let apart = rooms[1].since - rooms[0].since;
    assert_eq!(apart.whole_seconds(), 60);
    house.hub.send_input(Input::Leave(second[1].conn)).await;
    assert_eq!(listed().await.iter().map(users).collect::<Vec<_>>(), [[1, 2]]);
    assert_eq!(house.settled().await.matches, 2);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_to_a_drain_is_told_what_is_left_and_nobody_is_matched() {
    let told = |heard: &[ConnectionEvent]| {
        let mut told = heard.iter().filter_map(|event| match event {
            ConnectionEvent::Draining { seconds } => Some(*seconds),
            _ => None,
        });
        (told.next(), told.next())
    };
    let house = House::open();
    let ([mut ada, _bob], room) = house.pair(1, 2).await;
    let mut waiting = house.connect(3).await;
    house.search(&waiting).await;
    house.hub.drain(Duration::from_secs(60)).await;
    for guest in [&mut ada, &mut waiting] {
        assert_eq!(told(&house.heard(guest).await), (Some(60), None));
    }
    sleep(Duration::from_secs(20)).await;
    let mut late = house.connect_as(4, 4).await;
    let heard = house.heard(&mut late).await;
    assert!(matches!(
        heard[..2],
        [ConnectionEvent::Welcome(None), ConnectionEvent::Draining { seconds: 40 }]
    ));
    sleep(Duration::from_secs(50)).await;
    house.search(&late).await;
    let heard = house.heard(&mut late).await;
    assert_eq!(told(&heard), (Some(0), None), "over, and not below");
    assert!(
        !heard
            .iter()
            .any(|d| matches!(d, ConnectionEvent::Searching | ConnectionEvent::Matched { .. }))
    );
    assert_eq!(house.rooms().await[0].room, room, "calls go on");
}

#[tokio::test(start_paused = true)]
async fn a_close_takes_the_connections_that_are_meant_and_no_other() {
    let house = House::open();
    let named = |session| Bearer { user: bearer(1).user, session: bearer(session).session };
    for (selector, gone) in [
        (ConnectionSelector::User(bearer(1).user), [true, true, true, false]),
        (ConnectionSelector::Session(named(1)), [true, true, false, false]),
        (ConnectionSelector::OtherSessions(named(1)), [false, false, true, false]),
        // Of another user: nobody's.
        (ConnectionSelector::Session(Bearer { user: bearer(9).user, ..named(1) }), [false; 4]),
    ] {
        // Two windows of one session, one of another, and somebody else.
        let mut guests = Vec::new();
        for (user, session) in [(1, 1), (1, 1), (1, 2), (2, 3)] {
            guests.push(house.connect_as(user, session).await);
        }
        let before = house.settled().await.connections;
        house.hub.close(selector, SignalErrorCode::SessionEnded).await;
        let left = house.settled().await.connections;
        assert_eq!(before - left, gone.iter().filter(|gone| **gone).count(), "{selector:?}");
        for (guest, gone) in guests.iter_mut().zip(gone) {
            assert_eq!(closed(&house.heard(guest).await), gone, "{selector:?}");
            house.hub.send_input(Input::Disconnect(guest.conn, Departure::Clean)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_the_room() {
    let house = House::open();
    let ([mut ada, mut bob], room) = house.pair(1, 2).await;
    house.hub.close(ConnectionSelector::User(bearer(1).user), SignalErrorCode::SessionEnded).await;
    assert!(closed(&house.heard(&mut ada).await));
    let heard = house.heard(&mut bob).await;
    let over = |event: &ConnectionEvent| matches!(event, ConnectionEvent::RoomOver { room: r } if *r == room);
    assert!(heard.iter().any(over), "{heard:?}");
    assert!(house.rooms().await.is_empty());
}

/// What the guest hears of how many there are, and when, within so many seconds.
async fn presence(guest: &mut Guest, seconds: u64) -> Vec<(u64, Presence)> {
    let (start, mut told) = (Instant::now(), Vec::new());
    let listen = async {
        loop {
            if let ConnectionEvent::Presence(presence) = guest.inbox.recv().await {
                told.push((start.elapsed().as_millis() as u64, presence));
            }
        }
    };
    let _: Result<(), _> = tokio::time::timeout(Duration::from_secs(seconds), listen).await;
    told
}

#[tokio::test(start_paused = true)]
async fn how_many_there_are_is_told_once_a_second_and_newcomers_do_not_wait_for_a_change() {
    let house = House::open();
    let mut ada = house.connect(1).await;
    let bob = house.connect(2).await;
    let one = |online, searching| Presence { online, searching };
    let told = presence(&mut ada, 10).await;
    assert_eq!(told, [(1000, one(2, 0))]);
    // Back and forth, many times a second.
    let churn = async {
        for n in 0..50 {
            let input = match n % 2 {
                0 => Input::Search(bob.conn, SearchCriteria::default()),
                _ => Input::Cancel(bob.conn),
            };
            house.hub.send_input(input).await;
            sleep(Duration::from_millis(110)).await;
        }
        house.search(&bob).await;
    };
    let (told, ()) = tokio::join!(presence(&mut ada, 20), churn);
    assert!(told.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 1000), "{told:?}");
    assert_eq!(told.last().map(|told| told.1), Some(one(2, 1)), "the last word is true");
    // Another window of somebody who is counted: only it is told.
    let mut window = house.connect(1).await;
    let (new, old) = tokio::join!(presence(&mut window, 10), presence(&mut ada, 10));
    assert_eq!((new, old), (vec![(1000, one(2, 1))], Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_keep_up_is_cut_and_nobody_else() {
    let house = House::open();
    let mut deaf = house.connect(1).await;
    let mut ada = house.connect(2).await;
    let mut heard = 0;
    for n in 0..600 {
        house.hub.broadcast(n.to_string()).await;
        if n % 100 == 99 {
            heard += notices(&house.heard(&mut ada).await);
        }
    }
    assert_eq!(heard, 600);
    assert!(deaf.inbox.cut().now_or_never().is_some(), "it is full");
    assert!(ada.inbox.cut().now_or_never().is_none());
    let waiting = house.heard(&mut deaf).await.len();
    assert!(waiting < 600, "{waiting}: bounded");
}

#[tokio::test(start_paused = true)]
async fn a_block_on_disk_keeps_apart_who_connects_later() {
    let house = House::open();
    let [one, other] = [1, 2].map(|n| bearer(n).user);
    let room = RoomId::from_uuid(uuid::Uuid::nil());
    let block = Block { room, blocked: other, since: clock::now() };
    house.sign_up(1).await;
    house.hub.block(one, block).await.expect("kept");
    for guest in [house.connect(1).await, house.connect(2).await] {
        house.search(&guest).await;
    }
    let counts = house.settled().await;
    assert_eq!((counts.searching, counts.rooms), (2, 0));
    house.search(&house.connect(3).await).await;
    assert_eq!(house.settled().await.rooms, 1, "anybody else is met");
}

/// One thread for what blocks, so that what the store is asked first is done first.
#[test]
fn a_block_taken_back_while_its_user_connects_is_gone_for_the_lobby_too() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(async {
        let house = House::open();
        let [one, other] = [1, 2].map(|n| bearer(n).user);
        let room = RoomId::from_uuid(uuid::Uuid::nil());
        house.sign_up(1).await;
        let block = Block { room, blocked: other, since: clock::now() };
        house.hub.block(one, block).await.expect("kept");
        let waiting = house.connect(2).await;
        house.search(&waiting).await;

        // Nothing is read or written until both have begun.
        let (let_go, hold) = std::sync::mpsc::channel::<()>();
        let held = tokio::task::spawn_blocking(move || hold.recv());
        let mut connect = pin!(house.connect_as(1, 1));
        assert!(poll!(&mut connect).is_pending(), "its blocks are to be read");
        let mut unblock = pin!(house.hub.unblock(one, room));
        assert!(poll!(&mut unblock).is_pending());
        drop(let_go);
        let _ = held.await;
        let mut unblocked = None;
        for _ in 0..3 {
            if let Poll::Ready(done) = poll!(&mut unblock) {
                unblocked = Some(done);
                break;
            }
            // Whatever it may have asked of the store is done.
            house.hub.store.account(one).await.expect("read");
            house.hub.store.flush().await.expect("on disk");
        }
        // The connection hears of its blocks only now.
        let guest = connect.await;
        let unblocked = match unblocked {
            Some(done) => done,
            None => unblock.await,
        };
        assert!(unblocked.expect("kept"));
        house.search(&guest).await;
        assert_eq!(house.settled().await.rooms, 1, "a block that nobody sees keeps them apart");
    });
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_failed_is_known_to_have() {
    let house = House::open();
    assert!(!house.hub.has_failed());
    assert!(house.hub.failed().now_or_never().is_none());
    house.hub.fail().await;
    house.hub.failed().await;
    assert!(house.hub.has_failed());
}
