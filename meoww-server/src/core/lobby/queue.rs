//! Who waits for a partner, and how they are found: by a common interest, by being open to anyone,
//! by the time something changes for them.

use std::{
    collections::{BTreeMap, hash_map::Entry},
    time::Instant,
};

use super::{ConnId, SearchCriteria, criteria::Interest, users::UserKey};
use crate::core::unordered::Map;

/// The order in which tickets began to look for a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct QueuePosition(u64);

/// What a ticket may be matched with by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Nobody: its user goes from stranger to stranger too fast.
    Held,
    /// Somebody with a common interest.
    Choosy,
    /// Anyone who is open as well.
    Open,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Ticket {
    pub(super) conn: ConnId,
    pub(super) criteria: SearchCriteria,
    /// When the user asked.
    pub(super) asked: Instant,
    /// When it begins or began to look for a partner.
    pub(super) since: Instant,
    pub(super) phase: Phase,
    pub(super) position: QueuePosition,
    /// When to look again.
    alarm: Option<Instant>,
}

impl Ticket {
    /// Of a user who looks for a partner from `since` on.
    pub(super) fn new(
        conn: ConnId,
        criteria: SearchCriteria,
        asked: Instant,
        since: Instant,
        position: QueuePosition,
    ) -> Self {
        Self { conn, criteria, asked, since, phase: Phase::Held, position, alarm: None }
    }

    /// In another connection of its user.
    pub(super) fn moved_to(self, conn: ConnId) -> Self {
        Self { conn, ..self }
    }

    pub(super) fn phase_at(&self, now: Instant) -> Phase {
        if now < self.since {
            Phase::Held
        } else if now < self.since + self.criteria.wait() {
            Phase::Choosy
        } else {
            Phase::Open
        }
    }

    /// Sets when to look again: when its phase ends, or at `retry`.
    pub(super) fn set_alarm(&mut self, retry: Option<Instant>) {
        let phase_end = match self.phase {
            Phase::Held => Some(self.since),
            Phase::Choosy => Some(self.since + self.criteria.wait()),
            Phase::Open => None,
        };
        self.alarm = phase_end.into_iter().chain(retry).min();
    }
}

/// Finds tickets, which are kept with their users. Of those it holds, no two may meet: a newcomer
/// is matched before it is put in here, and so is whoever an alarm has woken.
#[derive(Clone, Default, Hash)]
pub(super) struct Queue {
    len: usize,
    positions: u64,
    by_interest: Map<Interest, Sharing>,
    open: BTreeMap<QueuePosition, UserKey>,
    alarms: BTreeMap<(Instant, QueuePosition), UserKey>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn next_position(&mut self) -> QueuePosition {
        self.positions += 1;
        QueuePosition(self.positions)
    }

    pub(super) fn insert(&mut self, user: UserKey, ticket: &Ticket) {
        self.len += 1;
        if let Some(alarm) = ticket.alarm {
            self.alarms.insert((alarm, ticket.position), user);
        }
        if ticket.phase == Phase::Held {
            return;
        }
        for interest in ticket.criteria.interests() {
            match self.by_interest.entry(*interest) {
                Entry::Vacant(nobody) => drop(nobody.insert(Sharing::new(ticket.position, user))),
                Entry::Occupied(mut sharing) => sharing.get_mut().insert(ticket.position, user),
            }
        }
        if ticket.phase == Phase::Open {
            self.open.insert(ticket.position, user);
        }
    }

    pub(super) fn remove(&mut self, ticket: &Ticket) {
        self.len -= 1;
        if let Some(alarm) = ticket.alarm {
            self.alarms.remove(&(alarm, ticket.position));
        }
        for interest in ticket.criteria.interests() {
            if let Entry::Occupied(mut sharing) = self.by_interest.entry(*interest)
                && sharing.get_mut().remove(ticket.position) == Left::Nobody
            {
                sharing.remove();
            }
        }
        self.open.remove(&ticket.position);
    }

    /// Those with this interest, if there are any.
    pub(super) fn sharing(&self, interest: Interest) -> Option<&Sharing> {
        self.by_interest.get(&interest)
    }

    /// Those open to anyone, by turn.
    pub(super) fn open(&self) -> impl Iterator<Item = (QueuePosition, UserKey)> {
        self.open.iter().map(|(position, user)| (*position, *user))
    }

    /// A user whose ticket is to look again.
    pub(super) fn due(&self, now: Instant) -> Option<UserKey> {
        self.alarms.first_key_value().filter(|((at, _), _)| *at <= now).map(|(_, user)| *user)
    }

    pub(super) fn next_alarm(&self) -> Option<Instant> {
        self.alarms.first_key_value().map(|((at, _), _)| *at)
    }
}

/// Those with one interest. Most often it is one alone, who is found without a further step.
#[derive(Clone, Hash)]
pub(super) struct Sharing {
    oldest: (QueuePosition, UserKey),
    others: BTreeMap<QueuePosition, UserKey>,
}

/// Who shares an interest after one is gone.
#[derive(PartialEq, Eq)]
enum Left {
    Somebody,
    Nobody,
}

impl Sharing {
    fn new(position: QueuePosition, user: UserKey) -> Self {
        Self { oldest: (position, user), others: BTreeMap::new() }
    }

    fn insert(&mut self, position: QueuePosition, user: UserKey) {
        let newcomer = (position, user);
        let is_oldest = newcomer < self.oldest;
        let (position, user) =
            if is_oldest { std::mem::replace(&mut self.oldest, newcomer) } else { newcomer };
        self.others.insert(position, user);
    }

    fn remove(&mut self, position: QueuePosition) -> Left {
        if position != self.oldest.0 {
            self.others.remove(&position);
        } else if let Some(next) = self.others.pop_first() {
            self.oldest = next;
        } else {
            return Left::Nobody;
        }
        Left::Somebody
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (QueuePosition, UserKey)> {
        let others = self.others.iter().map(|(position, user)| (*position, *user));
        std::iter::once(self.oldest).chain(others)
    }
}
