//! Places in the queue of users who lost their connection: one who comes back in time has the turn
//! of before.

use std::{collections::BTreeSet, time::Instant};

use meoww_proto::UserId;

use super::queue::Ticket;
use crate::core::unordered::Map;

/// Tickets that are kept; beyond it the oldest is forgotten early.
const MAX_KEPT: usize = 100_000;

/// Tickets that are in no queue, each until a moment.
#[derive(Clone, Default, Hash)]
pub(super) struct KeptTickets {
    tickets: Map<UserId, (Ticket, Instant)>,
    by_end: BTreeSet<(Instant, UserId)>,
}

impl KeptTickets {
    pub(super) fn insert(&mut self, user: UserId, ticket: Ticket, until: Instant, now: Instant) {
        self.take(user, now);
        while let Some(first) = self.by_end.first().copied()
            && (first.0 <= now || self.tickets.len() >= MAX_KEPT)
        {
            self.by_end.remove(&first);
            self.tickets.remove(&first.1);
        }
        self.tickets.insert(user, (ticket, until));
        self.by_end.insert((until, user));
    }

    /// Takes out the ticket of a user, if it is still kept.
    pub(super) fn take(&mut self, user: UserId, now: Instant) -> Option<Ticket> {
        // Each search asks, and as a rule none is kept: that costs no hash.
        if self.tickets.is_empty() {
            return None;
        }
        let (ticket, until) = self.tickets.remove(&user)?;
        self.by_end.remove(&(until, user));
        (until > now).then_some(ticket)
    }

    /// Returns those that are still kept with their users, and until when, by that time.
    pub(super) fn iter(&self, now: Instant) -> impl Iterator<Item = (UserId, Ticket, Instant)> {
        let kept = self.by_end.iter().filter(move |(until, _)| *until > now);
        kept.filter_map(|(until, user)| Some((*user, self.tickets.get(user)?.0, *until)))
    }
}
