//! The lobby in virtual time: stories.

use std::time::{Duration, Instant};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use meoww_server::core::lobby::{
    ConnId, Departure, Effect, Input, Lobby, MAX_CONNECTIONS, REMATCH_WAIT, ResumedRoom,
    SEAT_LEASE, SearchCriteria,
};
use rand::{SeedableRng, rngs::StdRng};

/// A lobby, its clock and its dice.
pub(crate) struct World {
    pub(crate) lobby: Lobby,
    pub(crate) now: Instant,
    rng: StdRng,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self { lobby: Lobby::default(), now: Instant::now(), rng: StdRng::seed_from_u64(seed) }
    }

    pub(crate) fn handle(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.lobby.handle(input, self.now, &mut self.rng, &mut effects);
        effects
    }

    pub(crate) fn connect(&mut self, conn: u64, name: u8) -> Vec<Effect> {
        self.handle(Input::Connect { conn: ConnId(conn), user: user(name), resume: None })
    }

    fn resume(&mut self, conn: u64, name: u8, room: RoomId) -> Vec<Effect> {
        self.handle(Input::Connect { conn: ConnId(conn), user: user(name), resume: Some(room) })
    }

    pub(crate) fn search(&mut self, conn: u64) -> Vec<Effect> {
        self.handle(Input::Search(ConnId(conn), SearchCriteria::default()))
    }

    pub(crate) fn after(&mut self, wait: Duration) -> Vec<Effect> {
        self.now += wait;
        self.handle(Input::Timeout)
    }

    /// Users 1 and 2 on connections of the same numbers, in a room.
    pub(crate) fn with_a_room() -> (Self, RoomId) {
        let mut world = Self::new(1);
        world.connect(1, 1);
        world.connect(2, 2);
        world.search(1);
        let room = matched_room(&world.search(2)).expect("matched");
        (world, room)
    }
}

pub(crate) fn user(name: u8) -> UserId {
    UserId::from_bytes([name; 12])
}

fn welcome(conn: u64, name: u8, resumed: Option<ResumedRoom>) -> Effect {
    Effect::Welcome { conn: ConnId(conn), user: user(name), resumed }
}

fn resumed(room: RoomId, stranger: u8, partner: Option<u64>) -> ResumedRoom {
    ResumedRoom { room, stranger: user(stranger), partner: partner.map(ConnId) }
}

pub(crate) fn matched_room(effects: &[Effect]) -> Option<RoomId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Matched { room, .. } => Some(*room),
        _ => None,
    })
}

pub(crate) fn matched_conns(effects: &[Effect]) -> Vec<u64> {
    let conns = effects.iter().filter_map(|effect| match effect {
        Effect::Matched { conn, .. } => Some(conn.0),
        _ => None,
    });
    let mut conns: Vec<_> = conns.collect();
    conns.sort_unstable();
    conns
}

#[test]
fn strangers_meet_first_come_first_served() {
    let mut world = World::new(1);
    for n in 1..=3 {
        world.connect(n.into(), n);
    }
    assert_eq!(world.search(1), [Effect::Searching(ConnId(1))]);
    assert_eq!(matched_conns(&world.search(2)), [1, 2]);
    assert_eq!(world.search(3), [Effect::Searching(ConnId(3))]);
}

#[test]
fn the_initiator_is_told_last() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.connect(1, 1);
        world.connect(2, 2);
        world.search(1);
        let told: Vec<_> = world.search(2).into_iter().collect();
        let [
            Effect::Matched { is_initiator: false, conn, partner, .. },
            Effect::Matched { is_initiator: true, conn: other, .. },
        ] = told[..]
        else {
            panic!("{told:?}")
        };
        assert_eq!(partner, other);
        assert_ne!(conn, other);
    }
}

#[test]
fn a_clean_goodbye_ends_the_room_at_once() {
    let (mut world, room) = World::with_a_room();
    let effects = world.handle(Input::Disconnect(ConnId(1), Departure::Clean));
    assert_eq!(effects, [Effect::RoomOver { conn: ConnId(2), room }]);
}

#[test]
fn a_lost_connection_keeps_its_place_for_a_while() {
    let (mut world, room) = World::with_a_room();
    assert_eq!(world.handle(Input::Disconnect(ConnId(1), Departure::Lost)), []);
    assert_eq!(world.lobby.poll_timeout(), Some(world.now + SEAT_LEASE));
    assert_eq!(world.after(SEAT_LEASE - Duration::from_millis(1)), []);
    let back = world.resume(3, 1, room);
    let welcome = welcome(3, 1, Some(resumed(room, 2, Some(2))));
    let moved = Effect::PartnerMoved { conn: ConnId(2), room, partner: ConnId(3) };
    assert_eq!(back, [welcome, moved]);
    assert_eq!(world.after(SEAT_LEASE * 2), []);

    world.handle(Input::Disconnect(ConnId(3), Departure::Lost));
    assert_eq!(world.after(SEAT_LEASE), [Effect::RoomOver { conn: ConnId(2), room }]);
    assert_eq!(world.lobby.poll_timeout(), None);
}

#[test]
fn both_may_be_lost_and_come_back() {
    let (mut world, room) = World::with_a_room();
    world.handle(Input::Disconnect(ConnId(1), Departure::Lost));
    world.handle(Input::Disconnect(ConnId(2), Departure::Lost));
    let first = world.resume(3, 1, room);
    assert_eq!(first, [welcome(3, 1, Some(resumed(room, 2, None)))]);
    let second = world.resume(4, 2, room);
    let welcome = welcome(4, 2, Some(resumed(room, 1, Some(3))));
    let moved = Effect::PartnerMoved { conn: ConnId(3), room, partner: ConnId(4) };
    assert_eq!(second, [welcome, moved]);
}

#[test]
fn who_starts_afresh_leaves_the_lost_room_behind() {
    let search: fn(ConnId) -> Input = |conn| Input::Search(conn, SearchCriteria::default());
    for again in [search, Input::Skip] {
        let (mut world, room) = World::with_a_room();
        world.handle(Input::Disconnect(ConnId(1), Departure::Lost));
        let plain = world.connect(3, 1);
        assert_eq!(plain, [welcome(3, 1, None)]);
        for idle in [Input::Cancel, Input::Leave] {
            assert_eq!(world.handle(idle(ConnId(3))), [], "the place may still be wanted");
        }
        let over = Effect::RoomOver { conn: ConnId(2), room };
        assert_eq!(world.handle(again(ConnId(3))), [over, Effect::Searching(ConnId(3))]);
        assert_eq!(world.lobby.poll_timeout(), None, "nothing is kept any longer");
        let late = world.resume(4, 1, room);
        assert_eq!(late, [welcome(4, 1, None)]);
    }
}

#[test]
fn a_room_both_have_lost_is_over_when_one_starts_afresh() {
    let (mut world, room) = World::with_a_room();
    world.handle(Input::Disconnect(ConnId(1), Departure::Lost));
    world.handle(Input::Disconnect(ConnId(2), Departure::Lost));
    world.connect(3, 1);
    assert_eq!(world.search(3), [Effect::Searching(ConnId(3))]);
    let late = world.resume(4, 2, room);
    assert_eq!(late, [welcome(4, 2, None)]);
}

#[test]
fn a_room_is_taken_from_a_live_connection_only_on_request() {
    let (mut world, room) = World::with_a_room();
    let plain = world.connect(3, 1);
    assert_eq!(plain, [welcome(3, 1, None)]);
    let taken = world.resume(4, 1, room);
    assert_eq!(taken[0], Effect::Displaced(ConnId(1)));
    assert!(matches!(taken[1], Effect::Welcome { resumed: Some(_), .. }));
    assert_eq!(world.search(1), [], "it is forgotten before it ends");
    assert_eq!(world.handle(Input::Disconnect(ConnId(1), Departure::Lost)), []);
    let stranger = world.connect(5, 5);
    assert_eq!(stranger, [welcome(5, 5, None)]);
    let foreign = world.resume(6, 5, room);
    assert_eq!(foreign, [welcome(6, 5, None)]);
}

#[test]
fn another_tab_takes_over_a_search_but_not_a_call() {
    let (mut world, room) = World::with_a_room();
    world.connect(3, 1);
    let refused = [Effect::Refused(ConnId(3), SignalErrorCode::InCallElsewhere)];
    assert_eq!(world.search(3), refused);
    assert_eq!(world.handle(Input::Skip(ConnId(3))), refused);
    assert_eq!(world.handle(Input::Leave(ConnId(3))), []);
    assert_eq!(world.search(1), []);
    let over =
        [Effect::RoomOver { conn: ConnId(1), room }, Effect::RoomOver { conn: ConnId(2), room }];
    let effects = world.handle(Input::Leave(ConnId(1)));
    assert!(effects.len() == 2 && over.iter().all(|effect| effects.contains(effect)));

    assert_eq!(world.search(1), [Effect::Searching(ConnId(1))]);
    let taken = Effect::Refused(ConnId(1), SignalErrorCode::TakenOver);
    assert_eq!(world.search(3), [taken, Effect::Searching(ConnId(3))]);
    assert_eq!(world.search(3), []);
}

#[test]
fn one_connection_too_many_takes_the_place_of_the_oldest_that_is_in_no_room() {
    let (mut world, room) = World::with_a_room();
    let last = 10 + MAX_CONNECTIONS as u64 - 2;
    for conn in 10..=last {
        assert_eq!(world.connect(conn, 1).len(), 1, "there is room for {conn}");
    }
    let welcome = |conn, resumed| welcome(conn, 1, resumed);
    assert_eq!(world.connect(20, 1), [Effect::Displaced(ConnId(10)), welcome(20, None)]);
    assert_eq!(world.search(10), [], "it is forgotten before it ends");
    assert_eq!(world.handle(Input::Disconnect(ConnId(10), Departure::Lost)), []);

    let taken = world.resume(21, 1, room);
    assert_eq!(
        taken[..2],
        [Effect::Displaced(ConnId(1)), welcome(21, Some(resumed(room, 2, Some(2))))]
    );
    world.handle(Input::Disconnect(ConnId(11), Departure::Clean));
    assert_eq!(world.connect(22, 1), [welcome(22, None)], "a place was given back");
    assert_eq!(world.connect(23, 1)[0], Effect::Displaced(ConnId(12)));
    assert_eq!(world.connect(24, 2).len(), 1, "others have places of their own");
}

#[test]
fn a_displaced_connection_waits_no_longer() {
    let mut world = World::new(1);
    world.connect(0, 1);
    assert_eq!(world.search(0), [Effect::Searching(ConnId(0))]);
    for conn in 1..=MAX_CONNECTIONS as u64 {
        world.connect(conn, 1);
    }
    world.connect(100, 2);
    assert_eq!(world.search(100), [Effect::Searching(ConnId(100))], "nobody is there to meet");
}

#[test]
fn partners_who_just_parted_prefer_anybody_else() {
    let (mut world, _) = World::with_a_room();
    world.connect(3, 3);
    assert!(matched_conns(&world.handle(Input::Skip(ConnId(1)))).is_empty());
    assert_eq!(world.search(2), [Effect::Searching(ConnId(2))]);
    assert_eq!(matched_conns(&world.search(3)), [1, 3]);
}

#[test]
fn two_alone_meet_again_after_a_short_wait() {
    let (mut world, _) = World::with_a_room();
    world.handle(Input::Skip(ConnId(1)));
    world.now += Duration::from_secs(1);
    world.search(2);
    assert_eq!(world.lobby.poll_timeout(), Some(world.now + REMATCH_WAIT));
    assert_eq!(world.after(REMATCH_WAIT - Duration::from_millis(1)), []);
    assert_eq!(matched_conns(&world.after(Duration::from_millis(1))), [1, 2]);
}
