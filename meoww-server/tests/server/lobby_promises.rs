//! The lobby in virtual time: any order of events, seen by what clients are told.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use meoww_server::core::lobby::{ConnId, Departure, Effect, Input, REMATCH_WAIT};
use proptest::prelude::*;

use crate::lobby::{World, matched_conns, user};

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
        // Any connection there ever was: one that was displaced may still speak for a moment.
        let pick = |n: usize| Some(ConnId((n as u64).checked_rem(self.next_conn)?));
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
