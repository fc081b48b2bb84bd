//! The lobby in virtual time: stories, and any order of events.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use meoww_server::core::lobby::{
    ConnId, Departure, Effect, Input, Lobby, REMATCH_WAIT, SEAT_LEASE,
};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

/// A lobby, its clock and its dice.
struct World {
    lobby: Lobby,
    now: Instant,
    rng: StdRng,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { lobby: Lobby::default(), now: Instant::now(), rng: StdRng::seed_from_u64(seed) }
    }

    fn handle(&mut self, input: Input) -> Vec<Effect> {
        self.lobby.handle(input, self.now, &mut self.rng)
    }

    fn connect(&mut self, conn: u64, name: u8) -> Vec<Effect> {
        self.handle(Input::Connect { conn: ConnId(conn), user: user(name), resume: None })
    }

    fn search(&mut self, conn: u64) -> Vec<Effect> {
        self.handle(Input::Search(ConnId(conn)))
    }

    fn after(&mut self, wait: Duration) -> Vec<Effect> {
        self.now += wait;
        self.handle(Input::Timeout)
    }

    /// Users 1 and 2 on connections of the same numbers, in a room.
    fn with_a_room() -> (Self, RoomId) {
        let mut world = Self::new(1);
        world.connect(1, 1);
        world.connect(2, 2);
        world.search(1);
        let room = matched_room(&world.search(2)).expect("matched");
        (world, room)
    }
}

fn user(name: u8) -> UserId {
    UserId::from_bytes([name; 12])
}

fn matched_room(effects: &[Effect]) -> Option<RoomId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Matched { room, .. } => Some(*room),
        _ => None,
    })
}

fn matched_conns(effects: &[Effect]) -> Vec<u64> {
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
    let back = world.connect(3, 1);
    let welcome =
        Effect::Welcome { conn: ConnId(3), user: user(1), room: Some((room, Some(ConnId(2)))) };
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
    let first = world.connect(3, 1);
    assert_eq!(
        first,
        [Effect::Welcome { conn: ConnId(3), user: user(1), room: Some((room, None)) }]
    );
    let second = world.connect(4, 2);
    let partner = Some((room, Some(ConnId(3))));
    let welcome = Effect::Welcome { conn: ConnId(4), user: user(2), room: partner };
    let moved = Effect::PartnerMoved { conn: ConnId(3), room, partner: ConnId(4) };
    assert_eq!(second, [welcome, moved]);
}

#[test]
fn a_room_is_taken_from_a_live_connection_only_on_request() {
    let (mut world, room) = World::with_a_room();
    let plain = world.connect(3, 1);
    assert_eq!(plain, [Effect::Welcome { conn: ConnId(3), user: user(1), room: None }]);
    let resume = Some(room);
    let taken = world.handle(Input::Connect { conn: ConnId(4), user: user(1), resume });
    assert_eq!(taken[0], Effect::Displaced(ConnId(1)));
    assert!(matches!(taken[1], Effect::Welcome { room: Some(_), .. }));
    assert_eq!(world.handle(Input::Disconnect(ConnId(1), Departure::Lost)), []);
    let stranger = world.connect(5, 5);
    assert_eq!(stranger, [Effect::Welcome { conn: ConnId(5), user: user(5), room: None }]);
    let foreign = world.handle(Input::Connect { conn: ConnId(6), user: user(5), resume });
    assert_eq!(foreign, [Effect::Welcome { conn: ConnId(6), user: user(5), room: None }]);
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

/// One thing that happens, with connections picked among those there are.
#[derive(Debug, Clone)]
enum Action {
    Connect { name: u8, resume: bool },
    Search(usize),
    Cancel(usize),
    Skip(usize),
    Leave(usize),
    Disconnect(usize, bool),
    Pass(u64),
    Due,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (0u8..5, any::<bool>()).prop_map(|(name, resume)| Action::Connect { name, resume }),
        6 => any::<usize>().prop_map(Action::Search),
        1 => any::<usize>().prop_map(Action::Cancel),
        2 => any::<usize>().prop_map(Action::Skip),
        2 => any::<usize>().prop_map(Action::Leave),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, clean)| Action::Disconnect(n, clean)),
        2 => (0u64..20_000).prop_map(Action::Pass),
        1 => Just(Action::Due),
    ]
}

/// What clients could know from the effects alone.
struct Observer {
    world: World,
    next_conn: u64,
    live: Vec<(ConnId, UserId)>,
    /// Room and partner's connection of each connection that is in one.
    seated: HashMap<ConnId, RoomId>,
    /// Members of every room there ever was.
    rooms: HashMap<RoomId, [UserId; 2]>,
    /// Since when each searching user waits.
    waiting: HashMap<UserId, (ConnId, Instant)>,
    met: HashSet<(UserId, UserId)>,
}

impl Observer {
    fn user_of(&self, conn: ConnId) -> UserId {
        let found = self.live.iter().find(|(live, _)| *live == conn);
        found.expect("effects address live connections").1
    }

    fn input(&mut self, action: &Action) -> Option<Input> {
        let pick = |n: usize| (!self.live.is_empty()).then(|| self.live[n % self.live.len()].0);
        Some(match *action {
            Action::Connect { name, resume } => {
                let user = user(name);
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.live.push((conn, user));
                let mine = self.seated.iter().find(|(conn, _)| {
                    self.live.iter().any(|(live, owner)| live == *conn && *owner == user)
                });
                let resume = mine.filter(|_| resume).map(|(_, room)| *room);
                Input::Connect { conn, user, resume }
            }
            Action::Search(n) => Input::Search(pick(n)?),
            Action::Cancel(n) => Input::Cancel(pick(n)?),
            Action::Skip(n) => Input::Skip(pick(n)?),
            Action::Leave(n) => Input::Leave(pick(n)?),
            Action::Disconnect(n, clean) => {
                let departure = if clean { Departure::Clean } else { Departure::Lost };
                Input::Disconnect(pick(n)?, departure)
            }
            Action::Pass(millis) => {
                self.world.now += Duration::from_millis(millis);
                Input::Timeout
            }
            Action::Due => {
                self.world.now = self.world.lobby.poll_timeout()?;
                Input::Timeout
            }
        })
    }

    fn step(&mut self, action: &Action) {
        let Some(input) = self.input(action) else { return };
        match input {
            Input::Cancel(conn) | Input::Leave(conn) => self.stop_waiting(conn),
            Input::Disconnect(conn, _) => {
                self.live.retain(|(live, _)| *live != conn);
                self.seated.remove(&conn);
                self.stop_waiting(conn);
            }
            Input::Connect { .. } | Input::Search(_) | Input::Skip(_) | Input::Timeout => {}
        }
        let effects = self.world.handle(input);
        let newcomers = effects.iter().filter(|e| matches!(e, Effect::Welcome { .. })).count();
        assert_eq!(newcomers, usize::from(matches!(input, Input::Connect { .. })));
        for (n, effect) in effects.iter().enumerate() {
            self.observe(*effect, &effects[n..]);
        }
        self.check();
    }

    fn stop_waiting(&mut self, conn: ConnId) {
        self.waiting.retain(|_, (waiting, _)| *waiting != conn);
    }

    fn observe(&mut self, effect: Effect, rest: &[Effect]) {
        match effect {
            Effect::Welcome { conn, user, room } => {
                assert_eq!(self.user_of(conn), user);
                if let Some((room, partner)) = room {
                    assert!(self.rooms[&room].contains(&user), "a place in a foreign room");
                    assert!(partner.is_none_or(|partner| self.seated[&partner] == room));
                    self.seated.insert(conn, room);
                }
            }
            Effect::Searching(conn) => {
                let user = self.user_of(conn);
                let since = self.waiting.get(&user).map_or(self.world.now, |(_, since)| *since);
                self.waiting.insert(user, (conn, since));
            }
            Effect::Matched { conn, room, is_initiator, partner } => {
                self.matched(conn, room, partner);
                if !is_initiator {
                    let twin =
                        Effect::Matched { conn: partner, room, is_initiator: true, partner: conn };
                    assert_eq!(rest.get(1), Some(&twin), "the other half follows");
                }
            }
            Effect::PartnerMoved { conn, room, partner } => {
                assert_eq!((self.seated[&conn], self.seated[&partner]), (room, room));
            }
            Effect::RoomOver { conn, room } => {
                self.user_of(conn);
                assert_eq!(self.seated.remove(&conn), Some(room), "news of a foreign room");
            }
            Effect::Refused(conn, code) => {
                self.user_of(conn);
                match code {
                    SignalErrorCode::TakenOver => {}
                    SignalErrorCode::InCallElsewhere => assert!(!self.seated.contains_key(&conn)),
                    other => panic!("{other:?}"),
                }
            }
            Effect::Displaced(conn) => {
                self.user_of(conn);
                self.live.retain(|(live, _)| *live != conn);
                assert!(self.seated.remove(&conn).is_some(), "only from a room");
            }
        }
    }

    fn matched(&mut self, conn: ConnId, room: RoomId, partner: ConnId) {
        let (me, other) = (self.user_of(conn), self.user_of(partner));
        assert_ne!(me, other, "matched with oneself");
        assert_eq!(self.seated.insert(conn, room), None, "in two rooms");
        let members = self.rooms.entry(room).or_insert([me, other]);
        assert!(members.contains(&me) && members.contains(&other), "a room used twice");
        self.waiting.remove(&me);
        self.met.extend([(me, other), (other, me)]);
    }

    fn check(&self) {
        let now = self.world.now;
        assert!(self.world.lobby.poll_timeout().is_none_or(|at| at > now), "a deadline left over");
        let seated: Vec<_> = self.seated.keys().map(|conn| self.user_of(*conn)).collect();
        assert_eq!(seated.len(), seated.iter().collect::<HashSet<_>>().len(), "in two rooms");
        assert!(seated.iter().all(|user| !self.waiting.contains_key(user)), "waits in a room");
        for (first, (_, since)) in &self.waiting {
            for (second, (_, other)) in self.waiting.iter().filter(|(user, _)| *user != first) {
                assert!(self.met.contains(&(*first, *second)), "strangers left waiting");
                assert!(now < *since.max(other) + REMATCH_WAIT, "left waiting past the deadline");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_happens_the_lobby_keeps_its_promises(
        seed: u64,
        actions in prop::collection::vec(action(), 1..150),
    ) {
        let mut observer = Observer {
            world: World::new(seed),
            next_conn: 0,
            live: Vec::new(),
            seated: HashMap::new(),
            rooms: HashMap::new(),
            waiting: HashMap::new(),
            met: HashSet::new(),
        };
        for action in &actions {
            observer.step(action);
        }
        let mut deadlines = 0;
        while observer.world.lobby.poll_timeout().is_some() {
            observer.step(&Action::Due);
            deadlines += 1;
            prop_assert!(deadlines < 100, "deadlines without end");
        }
        prop_assert!(observer.waiting.len() <= 1, "somebody was left waiting");
        // Nobody who waits was forgotten: a newcomer meets them.
        if let Some(waiter) = observer.waiting.values().next().map(|(conn, _)| *conn) {
            observer.world.connect(10_000, 99);
            let effects = observer.world.search(10_000);
            prop_assert_eq!(matched_conns(&effects), [waiter.0, 10_000]);
        }
    }
}
