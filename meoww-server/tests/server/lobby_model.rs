//! The lobby beside a model of it that looks at everybody each time: they match the same people.
//!
//! `MEOWW_LOBBY_OPERATIONS=10000000` runs as many operations; without it, fewer.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use meoww_proto::{UserId, tags::Tag};
use meoww_server::core::lobby::{ConnId, Departure, Effect, Input, REMATCH_WAIT, Terms};
use proptest::prelude::*;

use crate::lobby::{World, user};

const USERS: u8 = 8;
const TAGS: u8 = 4;
/// Operations in one history.
const LENGTH: usize = 500;
/// All histories together, where nobody asks for another number.
const OPERATIONS: usize = 250_000;

type Name = u8;

#[derive(Debug, Clone)]
enum Action {
    Search { name: Name, tags: BTreeSet<u8>, wait: u64 },
    Cancel(Name),
    Skip(Name),
    Leave(Name),
    Reconnect(Name),
    Block(Name, Name),
    Unblock(Name, Name),
    Pass(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let name = 0..USERS;
    let tags = prop::collection::btree_set(0..TAGS, 0..3);
    // Round figures, so that much happens at the same time.
    let search = (name.clone(), tags, 0u64..5);
    prop_oneof![
        10 => search.prop_map(|(name, tags, wait)| Action::Search { name, tags, wait: wait * 2 }),
        1 => name.clone().prop_map(Action::Cancel),
        8 => name.clone().prop_map(Action::Skip),
        4 => name.clone().prop_map(Action::Leave),
        1 => name.clone().prop_map(Action::Reconnect),
        1 => (name.clone(), name.clone()).prop_map(|(a, b)| Action::Block(a, b)),
        2 => (name.clone(), name).prop_map(|(a, b)| Action::Unblock(a, b)),
        4 => (0u64..8).prop_map(|halves| Action::Pass(halves * 500)),
    ]
}

/// A place in the queue, as a list has it.
#[derive(Debug, Clone)]
struct Waiter {
    name: Name,
    tags: BTreeSet<u8>,
    wait: Duration,
    since: Instant,
    turn: u64,
    looks: bool,
    is_open: bool,
    alarm: Option<Instant>,
}

#[derive(Default)]
struct Model {
    waiting: Vec<Waiter>,
    turns: u64,
    partner: HashMap<Name, Name>,
    last_partner: HashMap<Name, Name>,
    terms: HashMap<Name, (BTreeSet<u8>, Duration)>,
    /// What skips cost: how much at which time.
    owed: HashMap<Name, (Duration, Instant)>,
    blocks: HashSet<(Name, Name)>,
}

impl Model {
    fn is_blocked(&self, a: Name, b: Name) -> bool {
        self.blocks.contains(&(a, b)) || self.blocks.contains(&(b, a))
    }

    fn may_meet_at(&self, a: &Waiter, b: &Waiter) -> Option<Instant> {
        let parted = |a: &Waiter, b: &Waiter| self.last_partner.get(&a.name) == Some(&b.name);
        let just_parted = parted(a, b) || parted(b, a);
        let wait = if just_parted { REMATCH_WAIT } else { Duration::ZERO };
        (!self.is_blocked(a.name, b.name)).then_some(a.since.max(b.since) + wait)
    }

    fn owed(&self, name: Name, now: Instant) -> Duration {
        let owed = self.owed.get(&name);
        owed.map_or(Duration::ZERO, |(owed, at)| owed.saturating_sub(now - *at))
    }

    fn search(&mut self, name: Name, now: Instant) -> Vec<[Name; 2]> {
        if self.partner.contains_key(&name) {
            return Vec::new();
        }
        let (tags, wait) = self.terms.get(&name).cloned().unwrap_or_default();
        if let Some(at) = self.waiting.iter().position(|waiter| waiter.name == name) {
            if (&self.waiting[at].tags, self.waiting[at].wait) == (&tags, wait) {
                return Vec::new();
            }
            self.waiting.remove(at);
        }
        self.turns += 1;
        let delay = self.owed(name, now).saturating_sub(Duration::from_secs(10)) / 4;
        let (since, turn) = (now + delay, self.turns);
        let (looks, is_open, alarm) = (false, false, None);
        self.look(Waiter { name, tags, wait, since, turn, looks, is_open, alarm }, now)
    }

    /// Whom the waiter meets; else it waits on.
    fn look(&mut self, mut me: Waiter, now: Instant) -> Vec<[Name; 2]> {
        me.looks = now >= me.since;
        me.is_open = now >= me.since + me.wait;
        let mut retry = Vec::new();
        let mut oldest_of = |is_meant: &dyn Fn(&Waiter) -> bool| {
            let mut may_meet = Vec::new();
            for other in self.waiting.iter().filter(|other| other.looks && is_meant(other)) {
                match self.may_meet_at(&me, other) {
                    Some(at) if at <= now => may_meet.push((other.turn, other.name)),
                    Some(at) => retry.push(at),
                    None => {}
                }
            }
            may_meet.into_iter().min()
        };
        let mut met = None;
        if me.looks {
            met = oldest_of(&|other| !other.tags.is_disjoint(&me.tags));
        }
        if met.is_none() && me.is_open {
            met = oldest_of(&|other| other.is_open);
        }
        if let Some((_, other)) = met {
            self.waiting.retain(|waiter| waiter.name != other);
            self.partner.extend([(me.name, other), (other, me.name)]);
            return vec![[me.name.min(other), me.name.max(other)]];
        }
        retry.extend((!me.looks).then_some(me.since));
        retry.extend((me.looks && !me.is_open).then_some(me.since + me.wait));
        me.alarm = retry.into_iter().min();
        self.waiting.push(me);
        Vec::new()
    }

    fn wake(&mut self, at: usize, now: Instant) -> Vec<[Name; 2]> {
        let mut waiter = self.waiting.remove(at);
        if !waiter.looks {
            self.turns += 1;
            waiter.turn = self.turns;
        }
        self.look(waiter, now)
    }

    /// Everybody for whom something changes now.
    fn wake_due(&mut self, now: Instant) -> Vec<[Name; 2]> {
        let mut met = Vec::new();
        loop {
            let due = self.waiting.iter().enumerate().filter_map(|(at, waiter)| {
                Some((waiter.alarm.filter(|alarm| *alarm <= now)?, waiter.turn, at))
            });
            let Some((_, _, at)) = due.min() else { return met };
            met.extend(self.wake(at, now));
        }
    }

    fn end_room(&mut self, name: Name) {
        if let Some(partner) = self.partner.remove(&name) {
            self.partner.remove(&partner);
            self.last_partner.extend([(name, partner), (partner, name)]);
        }
    }

    fn walk_out(&mut self, name: Name, now: Instant) {
        if self.partner.contains_key(&name) {
            let owed = self.owed(name, now) + Duration::from_secs(2);
            self.owed.insert(name, (owed.min(Duration::from_secs(30)), now));
            self.end_room(name);
        }
    }

    fn act(&mut self, action: &Action, now: Instant) -> Vec<[Name; 2]> {
        match *action {
            Action::Search { name, ref tags, wait } => {
                let wait = if tags.is_empty() { 0 } else { wait };
                if !self.partner.contains_key(&name) {
                    self.terms.insert(name, (tags.clone(), Duration::from_secs(wait)));
                }
                self.search(name, now)
            }
            Action::Skip(name) => {
                self.walk_out(name, now);
                self.search(name, now)
            }
            Action::Cancel(name) => {
                self.waiting.retain(|waiter| waiter.name != name);
                Vec::new()
            }
            Action::Leave(name) => {
                self.waiting.retain(|waiter| waiter.name != name);
                self.walk_out(name, now);
                Vec::new()
            }
            Action::Reconnect(name) => {
                self.waiting.retain(|waiter| waiter.name != name);
                self.end_room(name);
                self.last_partner.remove(&name);
                self.terms.remove(&name);
                self.owed.remove(&name);
                Vec::new()
            }
            Action::Block(a, b) => {
                self.blocks.insert((a, b));
                if self.partner.get(&a) == Some(&b) {
                    self.end_room(a);
                }
                Vec::new()
            }
            Action::Unblock(a, b) => {
                let waiting = self.waiting.iter().position(|waiter| waiter.name == a);
                match waiting.filter(|_| self.blocks.remove(&(a, b))) {
                    Some(at) => self.wake(at, now),
                    None => {
                        self.blocks.remove(&(a, b));
                        Vec::new()
                    }
                }
            }
            Action::Pass(_) => Vec::new(),
        }
    }
}

/// The two side by side.
struct Pair {
    world: World,
    model: Model,
    /// The connection of each user.
    conns: Vec<ConnId>,
    next_conn: u64,
}

fn terms(tags: &BTreeSet<u8>, wait: u64) -> Terms {
    let tags: Vec<Tag> = tags.iter().map(|tag| tag.to_string().parse().expect("a tag")).collect();
    Terms::new(&tags, Duration::from_secs(wait))
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut pair = Self {
            world: World::new(seed),
            model: Model::default(),
            conns: Vec::new(),
            next_conn: 0,
        };
        for name in 0..USERS {
            pair.conns.push(ConnId(u64::MAX));
            pair.connect(name);
        }
        pair
    }

    fn connect(&mut self, name: Name) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.conns[usize::from(name)] = conn;
        let user = user(name);
        self.world.handle(Input::Connect { conn, user, resume: None });
        let blocks: Vec<_> = self.model.blocks.iter().copied().collect();
        for (_, blocked) in blocks.into_iter().filter(|(blocker, _)| *blocker == name) {
            self.world.handle(Input::Block { user, blocked: crate::lobby::user(blocked) });
        }
    }

    fn step(&mut self, action: &Action) {
        let conn = |name: Name| self.conns[usize::from(name)];
        let input = match *action {
            Action::Search { name, ref tags, wait } => Input::Search(conn(name), terms(tags, wait)),
            Action::Cancel(name) => Input::Cancel(conn(name)),
            Action::Skip(name) => Input::Skip(conn(name)),
            Action::Leave(name) => Input::Leave(conn(name)),
            Action::Reconnect(name) => Input::Disconnect(conn(name), Departure::Clean),
            Action::Block(a, b) => Input::Block { user: user(a), blocked: user(b) },
            Action::Unblock(a, b) => Input::Unblock { user: user(a), blocked: user(b) },
            Action::Pass(millis) => return self.pass(Duration::from_millis(millis)),
        };
        self.compare(input, Some(action));
        if let Action::Reconnect(name) = *action {
            self.connect(name);
        }
    }

    /// As the hub does: at each deadline, and not after.
    fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        while let Some(at) = self.world.lobby.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.world.now, "a deadline left over");
            self.world.now = at;
            self.compare(Input::Timeout, None);
        }
        self.world.now = end;
    }

    fn compare(&mut self, input: Input, action: Option<&Action>) {
        let now = self.world.now;
        let mut expected = self.model.wake_due(now);
        expected.extend(action.map(|action| self.model.act(action, now)).into_iter().flatten());
        let effects = self.world.handle(input);
        let names: HashMap<ConnId, Name> =
            (0..USERS).map(|name| (self.conns[usize::from(name)], name)).collect();
        let met = effects.iter().filter_map(|effect| match effect {
            Effect::Matched { conn, partner, is_initiator: true, .. } => {
                let (me, other) = (names[conn], names[partner]);
                Some([me.min(other), me.max(other)])
            }
            _ => None,
        });
        assert_eq!(met.collect::<Vec<_>>(), expected, "matched other people");
        assert_eq!(self.world.lobby.counts().searching, self.model.waiting.len());
        self.check(now);
    }

    /// What holds by itself, however it was come by.
    fn check(&self, now: Instant) {
        for (n, a) in self.model.waiting.iter().enumerate().filter(|(_, a)| a.looks) {
            for b in self.model.waiting[n + 1..].iter().filter(|b| b.looks) {
                let suits = !a.tags.is_disjoint(&b.tags)
                    || [a, b].iter().all(|waiter| now >= waiter.since + waiter.wait);
                let may_meet = self.model.may_meet_at(a, b).is_some_and(|at| at <= now);
                assert!(!(suits && may_meet), "{a:?} and {b:?} wait for each other");
            }
        }
        let rooms: Vec<[UserId; 2]> = self.world.lobby.rooms().map(|room| room.members).collect();
        assert_eq!(2 * rooms.len(), self.model.partner.len());
        for [a, b] in rooms {
            let [a, b] = [a, b].map(|id| id.as_bytes()[0]);
            assert_eq!(self.model.partner.get(&a), Some(&b), "in another room");
            assert!(!self.model.is_blocked(a, b), "matched with a blocked one");
        }
    }
}

fn histories() -> u32 {
    let asked = std::env::var("MEOWW_LOBBY_OPERATIONS").ok();
    let operations = asked.map_or(OPERATIONS, |text| text.parse().expect("a number"));
    u32::try_from(operations.div_ceil(LENGTH)).expect("not that many")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(histories()))]

    #[test]
    fn the_lobby_matches_as_if_it_looked_at_everybody(
        seed: u64,
        actions in prop::collection::vec(action(), LENGTH),
    ) {
        let mut pair = Pair::new(seed);
        for action in &actions {
            pair.step(action);
        }
    }
}
