//! The lobby in virtual time: any order of events, seen by what clients are told.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use meoww_server::core::lobby::{
    ConnId, Departure, Effect, Input, MAX_CONNECTIONS, REMATCH_WAIT, ResumedRoom, SEAT_LEASE,
    SearchCriteria,
};
use proptest::prelude::*;

use crate::lobby::{World, matched_conns, user};

/// Partners a user may leave before it is slowed, and for how long at most.
const FREE_SKIPS: u32 = 5;
const SLOWED: Duration = Duration::from_secs(6);
const NOT: Duration = Duration::ZERO;

/// One thing that happens, with connections picked among those there were.
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

/// One of them is greedy for connections.
fn name() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), 0u8..5]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => (name(), any::<bool>()).prop_map(|(name, resume)| Action::Connect { name, resume }),
        6 => any::<usize>().prop_map(Action::Search),
        1 => any::<usize>().prop_map(Action::Cancel),
        2 => any::<usize>().prop_map(Action::Skip),
        2 => any::<usize>().prop_map(Action::Leave),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, clean)| Action::Disconnect(n, clean)),
        2 => (0u64..40_000).prop_map(Action::Pass),
        1 => Just(Action::Due),
    ]
}

/// What clients could know from what they did and from the effects.
struct Observer {
    world: World,
    next_conn: u64,
    live: Vec<(ConnId, UserId)>,
    /// The room of each connection that is in one.
    seated: HashMap<ConnId, RoomId>,
    /// The room of each user whose connection was lost, and until when it is kept.
    vacant: HashMap<UserId, (RoomId, Instant)>,
    /// Members of every room there ever was.
    rooms: HashMap<RoomId, [UserId; 2]>,
    /// Rooms nobody may be in any more.
    over: HashSet<RoomId>,
    /// The room each user was in last, over or not.
    last_room: HashMap<UserId, RoomId>,
    /// Since when each searching user waits.
    waiting: HashMap<UserId, (ConnId, Instant)>,
    met: HashSet<(UserId, UserId)>,
    /// How often each user left a partner.
    walked_out: HashMap<UserId, u32>,
}

impl Observer {
    fn user_of(&self, conn: ConnId) -> UserId {
        let found = self.live.iter().find(|(live, _)| *live == conn);
        found.expect("effects address live connections").1
    }

    /// Oldest first.
    fn connections_of(&self, user: UserId) -> impl Iterator<Item = ConnId> {
        self.live.iter().filter(move |(_, owner)| *owner == user).map(|(conn, _)| *conn)
    }

    fn input(&mut self, action: &Action) -> Option<Input> {
        // Any connection there ever was: one that was displaced may still speak for a moment.
        let pick = |n: usize| Some(ConnId((n as u64).checked_rem(self.next_conn)?));
        Some(match *action {
            Action::Connect { name, resume } => {
                let user = user(name);
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.live.push((conn, user));
                let resume = self.last_room.get(&user).copied().filter(|_| resume);
                Input::Connect { conn, user, resume }
            }
            Action::Search(n) => Input::Search(pick(n)?, SearchCriteria::default()),
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
        let resumed = self.expect(input);
        let effects = self.world.handle(input);
        let welcomes = effects.iter().filter_map(|effect| match effect {
            Effect::Welcome { resumed, .. } => Some(resumed.map(|resumed| resumed.room)),
            _ => None,
        });
        let asked = matches!(input, Input::Connect { .. }).then_some(resumed);
        assert!(welcomes.eq(asked), "welcomed once, to the place that was asked for and is kept");
        for (n, effect) in effects.iter().enumerate() {
            self.observe(*effect, &effects[n..]);
        }
        self.vacant.retain(|_, (room, _)| !self.over.contains(room));
        self.check();
    }

    /// Notes what an input must do, whoever is told of it; gives the room it must take up.
    fn expect(&mut self, input: Input) -> Option<RoomId> {
        let now = self.world.now;
        let expired = self.vacant.values().filter(|(_, until)| *until <= now);
        self.over.extend(expired.map(|(room, _)| *room));
        match input {
            Input::Connect { resume, .. } => {
                return resume.filter(|room| !self.over.contains(room));
            }
            Input::Search(conn, _) => self.abandon(conn),
            Input::Skip(conn) => {
                self.walk_out(conn);
                self.abandon(conn);
            }
            Input::Leave(conn) => {
                self.walk_out(conn);
                self.stop_waiting(conn);
            }
            Input::Cancel(conn) => self.stop_waiting(conn),
            Input::Disconnect(conn, departure) => self.depart(conn, departure),
            Input::Timeout
            | Input::Block { .. }
            | Input::Unblock { .. }
            | Input::Mismatch { .. }
            | Input::Drain => {}
        }
        None
    }

    fn walk_out(&mut self, conn: ConnId) {
        if let Some(room) = self.seated.get(&conn) {
            self.over.insert(*room);
            self.left(self.user_of(conn));
        }
    }

    fn left(&mut self, user: UserId) {
        *self.walked_out.entry(user).or_default() += 1;
    }

    /// A search does not wait for a place to run out.
    fn abandon(&mut self, conn: ConnId) {
        let user = self.live.iter().find(|(live, _)| *live == conn).map(|(_, user)| *user);
        if let Some(user) = user
            && let Some((room, _)) = self.vacant.get(&user)
        {
            self.over.insert(*room);
            self.left(user);
        }
    }

    fn depart(&mut self, conn: ConnId, departure: Departure) {
        let user = self.live.iter().find(|(live, _)| *live == conn).map(|(_, user)| *user);
        if let (Some(user), Some(room)) = (user, self.seated.remove(&conn)) {
            match departure {
                Departure::Clean => {
                    self.over.insert(room);
                    self.left(user);
                }
                Departure::Lost => {
                    self.vacant.insert(user, (room, self.world.now + SEAT_LEASE));
                }
            }
        }
        self.live.retain(|(live, _)| *live != conn);
        self.stop_waiting(conn);
    }

    fn stop_waiting(&mut self, conn: ConnId) {
        self.waiting.retain(|_, (waiting, _)| *waiting != conn);
    }

    fn observe(&mut self, effect: Effect, rest: &[Effect]) {
        match effect {
            Effect::Welcome { conn, user, resumed } => {
                assert_eq!(self.user_of(conn), user);
                if let Some(ResumedRoom { room, stranger, partner }) = resumed {
                    let members = self.rooms[&room];
                    assert!(members.contains(&user), "a place in a foreign room");
                    assert!(stranger != user && members.contains(&stranger));
                    assert!(partner.is_none_or(|partner| self.seated[&partner] == room));
                    self.seated.insert(conn, room);
                    self.vacant.remove(&user);
                }
            }
            Effect::Searching(conn) => {
                let user = self.user_of(conn);
                let since = self.waiting.get(&user).map_or(self.world.now, |(_, since)| *since);
                self.waiting.insert(user, (conn, since));
            }
            Effect::Matched { conn, room, is_initiator, partner, stranger, waited: _ } => {
                assert_eq!(self.user_of(partner), stranger);
                self.matched(conn, room, partner);
                let twin = |effect: &Effect| {
                    matches!(*effect, Effect::Matched { conn: c, room: r, is_initiator: true, .. }
                        if (c, r) == (partner, room))
                };
                assert!(is_initiator || rest.get(1).is_some_and(twin), "the other half follows");
            }
            Effect::PartnerMoved { conn, room, partner } => {
                assert_eq!((self.seated[&conn], self.seated[&partner]), (room, room));
            }
            Effect::RoomOver { conn, room } => {
                self.user_of(conn);
                assert_eq!(self.seated.remove(&conn), Some(room), "news of a foreign room");
                assert!(self.over.contains(&room), "ended by nobody");
            }
            Effect::Refused(conn, code) => {
                let user = self.user_of(conn);
                match code {
                    SignalErrorCode::TakenOver => {}
                    SignalErrorCode::InCallElsewhere => {
                        let mut seated = self.seated.keys();
                        let other = seated.find(|seated| self.user_of(**seated) == user);
                        assert!(other.is_some_and(|other| *other != conn), "in no call elsewhere");
                    }
                    other => panic!("{other:?}"),
                }
            }
            Effect::Draining(_) => panic!("nobody drains it"),
            Effect::Displaced(conn) => {
                let user = self.user_of(conn);
                let surplus = self.connections_of(user).count() > MAX_CONNECTIONS;
                let oldest = self.connections_of(user).find(|conn| !self.seated.contains_key(conn));
                if self.seated.remove(&conn).is_none() {
                    assert!(surplus && oldest == Some(conn), "only one too many, and the oldest");
                }
                self.live.retain(|(live, _)| *live != conn);
                self.stop_waiting(conn);
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
        self.last_room.insert(me, room);
        self.met.extend([(me, other), (other, me)]);
    }

    fn check(&self) {
        let now = self.world.now;
        assert!(self.world.lobby.poll_timeout().is_none_or(|at| at > now), "a deadline left over");
        let seated: Vec<_> = self.seated.keys().map(|conn| self.user_of(*conn)).collect();
        assert_eq!(seated.len(), seated.iter().collect::<HashSet<_>>().len(), "in two rooms");
        assert!(seated.iter().all(|user| !self.waiting.contains_key(user)), "waits in a room");
        assert!(self.seated.values().all(|room| !self.over.contains(room)), "not told of the end");
        for (_, user) in &self.live {
            assert!(self.connections_of(*user).count() <= MAX_CONNECTIONS, "too many connections");
        }
        let is_slowed = |user| self.walked_out.get(user).is_some_and(|times| *times > FREE_SKIPS);
        for (first, (_, since)) in &self.waiting {
            for (second, (_, other)) in self.waiting.iter().filter(|(user, _)| *user != first) {
                let delay = if is_slowed(first) || is_slowed(second) { SLOWED } else { NOT };
                let waited = now.duration_since(*since.max(other));
                let met = self.met.contains(&(*first, *second));
                assert!(met || waited < delay, "strangers left waiting");
                assert!(waited < REMATCH_WAIT + delay, "left waiting past the deadline");
            }
        }
    }
}

proptest! {
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
            vacant: HashMap::new(),
            rooms: HashMap::new(),
            over: HashSet::new(),
            last_room: HashMap::new(),
            waiting: HashMap::new(),
            met: HashSet::new(),
            walked_out: HashMap::new(),
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
