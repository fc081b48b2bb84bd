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
/// How long all others wait: where all nodes are told to go at the same time, they hear of each other
/// first, and send nobody to one that goes as well. Machines with much to do hand on a signal late.
const SETTLE: Duration = Duration::from_secs(2);

/// The connections that have yet to go.
pub(super) struct Evacuation {
    /// Those that go before all others.
    first: VecDeque<ConnId>,
    others_from: Instant,
    next_at: Instant,
}

impl Evacuation {
    pub(super) fn new(first: impl IntoIterator<Item = ConnId>, now: Instant) -> Self {
        Self { first: first.into_iter().collect(), others_from: now + SETTLE, next_at: now }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_at
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_at
    }

    /// Returns the next that are to go, of the connections that there are and that may.
    pub(super) fn next_of<T>(
        &mut self,
        connections: &HashMap<ConnId, T>,
        may_go: impl Fn(ConnId, &T) -> bool,
        now: Instant,
    ) -> Vec<ConnId> {
        self.next_at = now + INTERVAL;
        let mut chosen = Vec::new();
        while chosen.len() < BATCH
            && let Some(conn) = self.first.pop_front()
        {
            let known = connections.get(&conn);
            chosen.extend(known.is_some_and(|known| may_go(conn, known)).then_some(conn));
        }
        if now >= self.others_from {
            let others = connections
                .iter()
                .filter(|(conn, known)| !chosen.contains(*conn) && may_go(**conn, known));
            let others: Vec<_> = others.map(|(conn, _)| *conn).take(BATCH - chosen.len()).collect();
            chosen.extend(others);
        }
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
        let may_go = |conn: ConnId, (): &()| conn != ConnId(7);
        while now <= start + SETTLE + Duration::from_secs(1) {
            let due = if evacuation.is_due(now) {
                evacuation.next_of(&here, may_go, now)
            } else {
                Vec::new()
            };
            for conn in due {
                here.remove(&conn);
                gone.push(conn);
            }
            if now < start + SETTLE {
                assert!(gone.iter().all(|conn| conn.0 >= 480), "others wait: {gone:?}");
            }
            now += Duration::from_millis(1);
        }
        assert_eq!(gone.len(), 20 + 210);
        assert!(gone[..20].iter().all(|conn| conn.0 >= 480), "{gone:?}");
        assert_eq!(here.len(), 500 - gone.len(), "each goes once");
        assert!(here.contains_key(&ConnId(7)), "it may not go");
    }
}
