//! Who waits for a partner, first come first served.

use std::time::Instant;

use meoww_proto::UserId;

use super::{ConnId, REMATCH_WAIT};

/// A place in the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) user: UserId,
    pub(super) conn: ConnId,
    pub(super) since: Instant,
    /// The last partner, whom the user would rather not meet again at once.
    pub(super) avoid: Option<UserId>,
}

impl Ticket {
    fn just_parted_from(&self, other: &Self) -> bool {
        self.avoid == Some(other.user) || other.avoid == Some(self.user)
    }

    /// When two who just parted have waited long enough for somebody else.
    fn rematch_at(&self, other: &Self) -> Instant {
        self.since.max(other.since) + REMATCH_WAIT
    }

    fn may_meet(&self, other: &Self, now: Instant) -> bool {
        !self.just_parted_from(other) || now >= self.rematch_at(other)
    }
}

/// Tickets by age. Strangers never wait together, so those left have all just parted from one
/// another: the queue is short however many users there are.
#[derive(Default)]
pub(super) struct Queue {
    tickets: Vec<Ticket>,
}

impl Queue {
    pub(super) fn push(&mut self, ticket: Ticket) {
        self.tickets.push(ticket);
    }

    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }

    pub(super) fn contains(&self, conn: ConnId) -> bool {
        self.tickets.iter().any(|ticket| ticket.conn == conn)
    }

    pub(super) fn remove(&mut self, conn: ConnId) {
        self.tickets.retain(|ticket| ticket.conn != conn);
    }

    /// Hands the user's ticket, if there is one, to `conn`; says which connection had it.
    pub(super) fn take_over(&mut self, user: UserId, conn: ConnId) -> Option<ConnId> {
        let ticket = self.tickets.iter_mut().find(|ticket| ticket.user == user)?;
        Some(std::mem::replace(&mut ticket.conn, conn))
    }

    /// Takes out the oldest two who may meet.
    pub(super) fn pop_pair(&mut self, now: Instant) -> Option<[Ticket; 2]> {
        let (first, second) = self
            .pairs()
            .find_map(|(i, j)| self.tickets[i].may_meet(&self.tickets[j], now).then_some((i, j)))?;
        // The later first, or it would move.
        let later = self.tickets.remove(second);
        Some([self.tickets.remove(first), later])
    }

    /// When the next two may meet again.
    pub(super) fn next_pairing(&self) -> Option<Instant> {
        self.pairs().map(|(i, j)| self.tickets[i].rematch_at(&self.tickets[j])).min()
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.tickets.len();
        (0..count).flat_map(move |i| (i + 1..count).map(move |j| (i, j)))
    }
}
