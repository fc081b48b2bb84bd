//! The pace at which a node that is to go has its clients go to other nodes: all at once they would
//! fall upon those together.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::core::lobby::ConnId;

/// Connections closed at once, and how often: 200 a second.
const BATCH: usize = 10;
const INTERVAL: Duration = Duration::from_millis(50);

/// The connections that have yet to go.
pub(super) struct Evacuation {
    /// Those that go before all others.
    first: VecDeque<ConnId>,
    next_at: Instant,
}

impl Evacuation {
    pub(super) fn new(first: impl IntoIterator<Item = ConnId>, now: Instant) -> Self {
        Self { first: first.into_iter().collect(), next_at: now }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_at
    }

    /// Returns how many are to go now, and counts them as gone.
    pub(super) fn due(&mut self, now: Instant) -> usize {
        if now < self.next_at {
            return 0;
        }
        self.next_at = now + INTERVAL;
        BATCH
    }

    /// Returns the next that are to go, of the connections there are.
    pub(super) fn next_of<T>(
        &mut self,
        count: usize,
        connections: &HashMap<ConnId, T>,
    ) -> Vec<ConnId> {
        let mut chosen = Vec::new();
        while chosen.len() < count
            && let Some(conn) = self.first.pop_front()
        {
            chosen.extend(connections.contains_key(&conn).then_some(conn));
        }
        let others = connections.keys().filter(|conn| !chosen.contains(conn)).copied();
        let others: Vec<_> = others.take(count - chosen.len()).collect();
        chosen.extend(others);
        chosen
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_a_second_go_and_those_who_wait_for_a_partner_first() {
        let start = Instant::now();
        let mut here: HashMap<ConnId, ()> = (0..500).map(|n| (ConnId(n), ())).collect();
        let mut evacuation = Evacuation::new((480..500).map(ConnId), start);
        let (mut now, mut gone) = (start, Vec::new());
        while now <= start + Duration::from_secs(1) {
            let due = evacuation.due(now);
            for conn in evacuation.next_of(due, &here) {
                here.remove(&conn);
                gone.push(conn);
            }
            now += Duration::from_millis(1);
        }
        assert_eq!(gone.len(), 210);
        assert!(gone[..20].iter().all(|conn| conn.0 >= 480), "{gone:?}");
        assert_eq!(here.len(), 500 - gone.len(), "each goes once");
    }
}
