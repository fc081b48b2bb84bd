//! The model: a list of who waits, gone through as a whole each time.

use std::time::{Duration, Instant};

use meoww_server::core::lobby::{MISMATCH_WAIT, REMATCH_WAIT, SEAT_LEASE};

use super::{Action, Name, Tags, USERS};

/// A place in the queue, as a list has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) name: Name,
    pub(super) tags: Tags,
    pub(super) wait: Duration,
    pub(super) since: Instant,
    pub(super) turn: u64,
    pub(super) looks: bool,
    pub(super) is_open: bool,
    pub(super) alarm: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) waiting: Vec<Waiter>,
    pub(super) turns: u64,
    pub(super) partner: [Option<Name>; USERS],
    pub(super) last_partner: [Option<Name>; USERS],
    /// Until when a place in a room is kept of those who lost their connection.
    pub(super) away: [Option<Instant>; USERS],
    /// Places in the queue of those who lost their connection, and until when they are kept.
    pub(super) lost: [Option<(Waiter, Instant)>; USERS],
    pub(super) criteria: [(Tags, Duration); USERS],
    /// What skips cost: how much at which time.
    pub(super) owed: [Option<(Duration, Instant)>; USERS],
    pub(super) blocks: [[bool; USERS]; USERS],
    /// Until when two are kept apart, by who said so.
    pub(super) apart: [[Option<Instant>; USERS]; USERS],
}

impl Model {
    pub(super) fn is_blocked(&self, a: Name, b: Name) -> bool {
        self.blocks[a][b] || self.blocks[b][a]
    }

    pub(super) fn may_meet_at(&self, a: &Waiter, b: &Waiter) -> Option<Instant> {
        let parted = |a: &Waiter, b: &Waiter| self.last_partner[a.name] == Some(b.name);
        let just_parted = parted(a, b) || parted(b, a);
        let wait = if just_parted { REMATCH_WAIT } else { Duration::ZERO };
        let apart = [self.apart[a.name][b.name], self.apart[b.name][a.name]];
        let earliest = apart.into_iter().flatten().fold(a.since.max(b.since) + wait, Instant::max);
        (!self.is_blocked(a.name, b.name)).then_some(earliest)
    }

    pub(super) fn owed(&self, name: Name, now: Instant) -> Duration {
        let owed = self.owed[name];
        owed.map_or(Duration::ZERO, |(owed, at)| owed.saturating_sub(now - at))
    }

    pub(super) fn search(&mut self, name: Name, now: Instant) -> Vec<[Name; 2]> {
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
        let lost = self.lost[name].take().filter(|(_, until)| *until > now);
        let kept = lost.map(|(kept, _)| kept).filter(|kept| (kept.tags, kept.wait) == (tags, wait));
        self.turns += 1;
        let delay = self.owed(name, now).saturating_sub(Duration::from_secs(10)) / 4;
        let since = kept.map_or(now + delay, |kept| kept.since);
        let turn = kept.filter(|kept| kept.looks).map_or(self.turns, |kept| kept.turn);
        let (looks, is_open, alarm) = (false, false, None);
        self.look(Waiter { name, tags, wait, since, turn, looks, is_open, alarm }, now)
    }

    /// Whom the waiter meets; else it waits on.
    pub(super) fn look(&mut self, mut me: Waiter, now: Instant) -> Vec<[Name; 2]> {
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

    pub(super) fn wake(&mut self, at: usize, now: Instant) -> Vec<[Name; 2]> {
        let mut waiter = self.waiting.remove(at);
        if !waiter.looks {
            self.turns += 1;
            waiter.turn = self.turns;
        }
        self.look(waiter, now)
    }

    /// Everybody for whom something changes now.
    pub(super) fn wake_due(&mut self, now: Instant) -> Vec<[Name; 2]> {
        let mut met = Vec::new();
        loop {
            let due = self.waiting.iter().enumerate().filter_map(|(at, waiter)| {
                Some((waiter.alarm.filter(|alarm| *alarm <= now)?, waiter.turn, at))
            });
            let Some((_, _, at)) = due.min() else { return met };
            met.extend(self.wake(at, now));
        }
    }

    pub(super) fn end_room(&mut self, name: Name) {
        if let Some(partner) = self.partner[name].take() {
            self.partner[partner] = None;
            (self.away[name], self.away[partner]) = (None, None);
            (self.last_partner[name], self.last_partner[partner]) = (Some(partner), Some(name));
        }
    }

    pub(super) fn walk_out(&mut self, name: Name, now: Instant) {
        if self.partner[name].is_some() {
            let owed = self.owed(name, now) + Duration::from_secs(2);
            self.owed[name] = Some((owed.min(Duration::from_secs(30)), now));
            self.end_room(name);
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        for name in 0..USERS {
            if self.away[name].is_some_and(|until| until <= now) {
                self.end_room(name);
            }
        }
    }

    /// What is left of a user without connection and room: what skips cost.
    pub(super) fn forget(&mut self, name: Name) {
        self.last_partner[name] = None;
        self.apart[name] = Default::default();
        self.criteria[name] = Default::default();
    }

    pub(super) fn unblock(&mut self, a: Name, b: Name, now: Instant) -> Vec<[Name; 2]> {
        let waiting = self.waiting.iter().position(|waiter| waiter.name == a);
        let was_blocked = std::mem::take(&mut self.blocks[a][b]);
        match waiting.filter(|_| was_blocked) {
            Some(at) => self.wake(at, now),
            None => Vec::new(),
        }
    }

    pub(super) fn act(&mut self, action: Action, now: Instant) -> Vec<[Name; 2]> {
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
                let waiter = self.waiting.iter().find(|waiter| waiter.name == name);
                let kept = waiter.map(|waiter| (*waiter, now + SEAT_LEASE));
                self.lost[name] = kept.or(self.lost[name]);
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
