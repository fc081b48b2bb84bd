//! The lobby beside a model of it that looks at everybody each time: they match the same people.
//!
//! `MEOWW_LOBBY_SEED=n` runs the histories of a run that failed again.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use meoww_proto::{UserId, tags::Tag};
use meoww_server::core::lobby::{
    ConnId, Departure, Effect, Input, MISMATCH_WAIT, REMATCH_WAIT, SEAT_LEASE, SearchCriteria,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::{
    cases,
    lobby::{World, user},
};

const USERS: usize = 8;
const TAGS: usize = 4;
/// Operations in one history.
const LENGTH: usize = 500;

type Name = usize;
/// One bit a tag.
type Tags = usize;

#[derive(Debug, Clone, Copy)]
enum Action {
    Search {
        name: Name,
        tags: Tags,
        wait: usize,
    },
    Cancel(Name),
    Skip(Name),
    Leave(Name),
    Reconnect(Name),
    /// The connection is lost, and another does not ask for the room.
    Lose(Name),
    Block(Name, Name),
    Unblock(Name, Name),
    Mismatch(Name, Name),
    Pass(u64),
}

impl Action {
    /// Any four bytes are one.
    fn of([kind, a, b, c]: [u8; 4]) -> Self {
        let [a, b, c] = [a, b, c].map(usize::from);
        let (name, other) = (a % USERS, b % USERS);
        match kind % 31 {
            0..10 => {
                let tags = [0, 1 << (b % TAGS), 1 << (b % TAGS) | 1 << (b / TAGS % TAGS)];
                // Round figures, so that much happens at the same time.
                Self::Search { name, tags: tags[c % 3], wait: c / 3 % WAITS * 2 }
            }
            10 => Self::Cancel(name),
            11..19 => Self::Skip(name),
            19..23 => Self::Leave(name),
            23 => Self::Reconnect(name),
            27 => Self::Lose(name),
            24 => Self::Block(name, other),
            25..27 => Self::Unblock(name, other),
            28 => Self::Mismatch(name, other),
            _ => Self::Pass(a as u64 % 8 * 500),
        }
    }
}

const WAITS: usize = 5;

/// By tags and half the wait: to make them takes a hash a tag.
static TERMS: LazyLock<Vec<[SearchCriteria; WAITS]>> = LazyLock::new(|| {
    let of = |tags: Tags, wait: usize| {
        let tags = (0..TAGS).filter(|tag| tags & (1 << tag) != 0);
        let tags: Vec<Tag> = tags.map(|tag| tag.to_string().parse().expect("a tag")).collect();
        SearchCriteria::new(&tags, Duration::from_secs(wait as u64))
    };
    (0..1 << TAGS).map(|tags| std::array::from_fn(|half| of(tags, half * 2))).collect()
});

/// A place in the queue, as a list has it.
#[derive(Debug, Clone, Copy)]
struct Waiter {
    name: Name,
    tags: Tags,
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
    partner: [Option<Name>; USERS],
    last_partner: [Option<Name>; USERS],
    /// Until when a place in a room is kept of those who lost their connection.
    away: [Option<Instant>; USERS],
    criteria: [(Tags, Duration); USERS],
    /// What skips cost: how much at which time.
    owed: [Option<(Duration, Instant)>; USERS],
    blocks: [[bool; USERS]; USERS],
    /// Until when two are kept apart, by who said so.
    apart: [[Option<Instant>; USERS]; USERS],
}

impl Model {
    fn is_blocked(&self, a: Name, b: Name) -> bool {
        self.blocks[a][b] || self.blocks[b][a]
    }

    fn may_meet_at(&self, a: &Waiter, b: &Waiter) -> Option<Instant> {
        let parted = |a: &Waiter, b: &Waiter| self.last_partner[a.name] == Some(b.name);
        let just_parted = parted(a, b) || parted(b, a);
        let wait = if just_parted { REMATCH_WAIT } else { Duration::ZERO };
        let apart = [self.apart[a.name][b.name], self.apart[b.name][a.name]];
        let earliest = apart.into_iter().flatten().fold(a.since.max(b.since) + wait, Instant::max);
        (!self.is_blocked(a.name, b.name)).then_some(earliest)
    }

    fn owed(&self, name: Name, now: Instant) -> Duration {
        let owed = self.owed[name];
        owed.map_or(Duration::ZERO, |(owed, at)| owed.saturating_sub(now - at))
    }

    fn search(&mut self, name: Name, now: Instant) -> Vec<[Name; 2]> {
        if self.partner[name].is_some() {
            return Vec::new();
        }
        let (tags, wait) = self.criteria[name];
        if let Some(at) = self.waiting.iter().position(|waiter| waiter.name == name) {
            if (self.waiting[at].tags, self.waiting[at].wait) == (tags, wait) {
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
            met = oldest_of(&|other| other.tags & me.tags != 0);
        }
        if met.is_none() && me.is_open {
            met = oldest_of(&|other| other.is_open);
        }
        if let Some((_, other)) = met {
            self.waiting.retain(|waiter| waiter.name != other);
            (self.partner[me.name], self.partner[other]) = (Some(other), Some(me.name));
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
        if let Some(partner) = self.partner[name].take() {
            self.partner[partner] = None;
            (self.away[name], self.away[partner]) = (None, None);
            (self.last_partner[name], self.last_partner[partner]) = (Some(partner), Some(name));
        }
    }

    fn walk_out(&mut self, name: Name, now: Instant) {
        if self.partner[name].is_some() {
            let owed = self.owed(name, now) + Duration::from_secs(2);
            self.owed[name] = Some((owed.min(Duration::from_secs(30)), now));
            self.end_room(name);
        }
    }

    fn expire(&mut self, now: Instant) {
        for name in 0..USERS {
            if self.away[name].is_some_and(|until| until <= now) {
                self.end_room(name);
            }
        }
    }

    /// What is left of a user without connection and room: what skips cost.
    fn forget(&mut self, name: Name) {
        self.last_partner[name] = None;
        self.apart[name] = Default::default();
        self.criteria[name] = Default::default();
    }

    fn unblock(&mut self, a: Name, b: Name, now: Instant) -> Vec<[Name; 2]> {
        let waiting = self.waiting.iter().position(|waiter| waiter.name == a);
        let was_blocked = std::mem::take(&mut self.blocks[a][b]);
        match waiting.filter(|_| was_blocked) {
            Some(at) => self.wake(at, now),
            None => Vec::new(),
        }
    }

    fn act(&mut self, action: Action, now: Instant) -> Vec<[Name; 2]> {
        match action {
            Action::Search { name, tags, wait } => {
                if self.away[name].is_some() {
                    self.walk_out(name, now);
                }
                let wait = if tags == 0 { 0 } else { wait as u64 };
                if self.partner[name].is_none() {
                    self.criteria[name] = (tags, Duration::from_secs(wait));
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
                if self.away[name].is_none() {
                    self.walk_out(name, now);
                }
                Vec::new()
            }
            Action::Reconnect(name) => {
                self.waiting.retain(|waiter| waiter.name != name);
                if self.away[name].is_none() {
                    self.walk_out(name, now);
                    self.forget(name);
                }
                Vec::new()
            }
            Action::Lose(name) => {
                self.waiting.retain(|waiter| waiter.name != name);
                match self.partner[name] {
                    Some(_) => drop(self.away[name].get_or_insert(now + SEAT_LEASE)),
                    None => self.forget(name),
                }
                Vec::new()
            }
            Action::Block(a, b) => {
                self.blocks[a][b] = true;
                if self.partner[a] == Some(b) {
                    self.walk_out(a, now);
                }
                Vec::new()
            }
            Action::Unblock(a, b) => self.unblock(a, b, now),
            Action::Mismatch(a, b) => {
                self.apart[a][b] = Some(now + MISMATCH_WAIT);
                Vec::new()
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

/// The user of a name.
fn id(name: Name) -> UserId {
    user(name as u8)
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
        self.conns[name] = conn;
        self.world.handle(Input::Connect { conn, user: id(name), resume: None });
        for blocked in (0..USERS).filter(|other| self.model.blocks[name][*other]) {
            self.world.handle(Input::Block { user: id(name), blocked: id(blocked) });
        }
    }

    fn step(&mut self, action: Action) {
        let conn = |name: Name| self.conns[name];
        let input = match action {
            Action::Search { name, tags, wait } => Input::Search(conn(name), TERMS[tags][wait / 2]),
            Action::Cancel(name) => Input::Cancel(conn(name)),
            Action::Skip(name) => Input::Skip(conn(name)),
            Action::Leave(name) => Input::Leave(conn(name)),
            Action::Reconnect(name) => Input::Disconnect(conn(name), Departure::Clean),
            Action::Lose(name) => Input::Disconnect(conn(name), Departure::Lost),
            Action::Block(a, b) => Input::Block { user: id(a), blocked: id(b) },
            Action::Unblock(a, b) => Input::Unblock { user: id(a), blocked: id(b) },
            Action::Mismatch(a, b) => Input::Mismatch { user: id(a), other: id(b) },
            Action::Pass(millis) => return self.pass(Duration::from_millis(millis)),
        };
        self.compare(input, Some(action));
        if let Action::Reconnect(name) | Action::Lose(name) = action {
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

    fn compare(&mut self, input: Input, action: Option<Action>) {
        let now = self.world.now;
        self.model.expire(now);
        let mut expected = self.model.wake_due(now);
        expected.extend(action.map(|action| self.model.act(action, now)).into_iter().flatten());
        let effects = self.world.handle(input);
        let name = |conn: &ConnId| self.conns.iter().position(|known| known == conn);
        let met = effects.iter().filter_map(|effect| match effect {
            Effect::Matched { conn, partner, is_initiator: true, .. } => {
                let (me, other) = (name(conn)?, name(partner)?);
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
                let suits = a.tags & b.tags != 0
                    || [a, b].iter().all(|waiter| now >= waiter.since + waiter.wait);
                let may_meet = self.model.may_meet_at(a, b).is_some_and(|at| at <= now);
                assert!(!(suits && may_meet), "{a:?} and {b:?} wait for each other");
            }
        }
        let mut rooms = 0;
        for room in self.world.lobby.rooms() {
            let [a, b] = room.members.map(|id| usize::from(id.as_bytes()[0]));
            assert_eq!(self.model.partner[a], Some(b), "in another room");
            assert!(!self.model.is_blocked(a, b), "matched with a blocked one");
            rooms += 1;
        }
        assert_eq!(2 * rooms, self.model.partner.iter().flatten().count());
    }
}

fn run(seed: u64, actions: impl IntoIterator<Item = [u8; 4]>) {
    let mut pair = Pair::new(seed);
    for bytes in actions {
        pair.step(Action::of(bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 4,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_lobby_matches_as_if_it_looked_at_everybody(
        seed: u64,
        actions in prop::collection::vec(any::<[u8; 4]>(), LENGTH),
    ) {
        run(seed, actions);
    }
}

/// Half a million operations as a rule, ten million in a soak.
#[test]
fn long_histories_match_as_if_it_looked_at_everybody() {
    let asked = std::env::var("MEOWW_LOBBY_SEED").ok();
    let first = asked.map_or_else(|| rand::rng().random(), |seed| seed.parse().expect("a number"));
    for n in 0..u64::from(4 * cases()) {
        let seed: u64 = u64::wrapping_add(first, n);
        // Shown when it fails: the last of them is the one.
        println!("MEOWW_LOBBY_SEED={seed}");
        let mut rng = SmallRng::seed_from_u64(seed);
        run(seed, std::iter::repeat_with(|| rng.random()).take(LENGTH));
    }
}
