//! How fast one user may go from stranger to stranger.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use meoww_proto::UserId;

use crate::core::unordered::Map;

/// What leaving a partner costs, in time that has to pass before it is forgotten.
const COST: Duration = Duration::from_secs(2);
/// Cost that slows nobody: five partners left at once.
const FREE: Duration = Duration::from_secs(10);
/// The part of the cost beyond [`FREE`] that the next match waits for. Whoever skips without pause
/// comes to wait for [`COST`] each time.
const SHARE: u32 = 4;
/// Longest delay.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// Paces kept of users who are gone; beyond it the one that is paid first is forgotten early.
const MAX_DEPARTED: usize = 100_000;

/// What a user's skips have cost and time has not yet paid: the virtual scheduling of the generic
/// cell rate algorithm (ITU-T I.371).
#[derive(Debug, Clone, Copy, Default, Hash)]
pub(in crate::core) struct Pace {
    paid_at: Option<Instant>,
}

impl Pace {
    /// Counts a partner left.
    pub(in crate::core) fn charge(&mut self, now: Instant) {
        let owed = self.owed(now) + COST;
        self.paid_at = Some(now + owed.min(FREE + MAX_DELAY * SHARE));
    }

    /// How long the next match has to wait.
    pub(super) fn delay(&self, now: Instant) -> Duration {
        self.owed(now).saturating_sub(FREE) / SHARE
    }

    /// Takes over what was counted elsewhere.
    pub(in crate::core) fn owe(&mut self, owed: Duration, now: Instant) {
        self.paid_at = self.paid_at.max(Some(now + owed.min(FREE + MAX_DELAY * SHARE)));
    }

    /// What is not paid yet.
    pub(in crate::core) fn owed(&self, now: Instant) -> Duration {
        self.paid_at.map_or(Duration::ZERO, |paid_at| paid_at.saturating_duration_since(now))
    }
}

/// The paces of users who are gone, each until it is paid: a user who comes back goes on with it.
#[derive(Clone, Default, Hash)]
pub(super) struct Departed {
    paces: Map<UserId, Pace>,
    by_payment: BTreeSet<(Instant, UserId)>,
}

impl Departed {
    pub(super) fn insert(&mut self, user: UserId, pace: Pace, now: Instant) {
        while let Some(first) = self.by_payment.first().copied()
            && (first.0 <= now || self.paces.len() >= MAX_DEPARTED)
        {
            self.by_payment.remove(&first);
            self.paces.remove(&first.1);
        }
        if let Some(paid_at) = pace.paid_at.filter(|paid_at| *paid_at > now) {
            self.paces.insert(user, pace);
            self.by_payment.insert((paid_at, user));
        }
    }

    /// Takes out the pace of a user who is back.
    pub(super) fn take(&mut self, user: UserId) -> Pace {
        let pace = self.paces.remove(&user).unwrap_or_default();
        if let Some(paid_at) = pace.paid_at {
            self.by_payment.remove(&(paid_at, user));
        }
        pace
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Delays of so many skips, each as soon as the last delay is over.
    fn delays(skips: usize) -> Vec<Duration> {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let mut skip = || {
            pace.charge(now);
            let delay = pace.delay(now);
            now += delay;
            delay
        };
        (0..skips).map(|_| skip()).collect()
    }

    #[test]
    fn a_burst_is_free_and_a_flood_is_slowed_more_and_more() {
        let delays = delays(60);
        assert!(delays[..5].iter().all(Duration::is_zero), "{delays:?}");
        assert_eq!(delays[5], Duration::from_millis(500));
        assert!(delays[5..].is_sorted(), "{delays:?}");
        assert!(delays[59] > Duration::from_millis(1900) && delays[59] <= COST, "{delays:?}");
    }

    #[test]
    fn time_pays() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..1000 {
            pace.charge(now);
        }
        assert_eq!(pace.delay(now), MAX_DELAY);
        assert!(pace.delay(now + Duration::from_secs(10)) < MAX_DELAY);
        assert_eq!(pace.delay(now + Duration::from_secs(20)), Duration::ZERO);
    }

    #[test]
    fn what_is_kept_of_the_departed_is_bounded_and_expires() {
        let user = |n: usize| {
            let mut id = [0; 12];
            id[..8].copy_from_slice(&n.to_be_bytes());
            UserId::from_bytes(id)
        };
        let (mut departed, start) = (Departed::default(), Instant::now());
        let mut pace = Pace::default();
        pace.charge(start);
        for n in 0..=MAX_DEPARTED {
            departed.insert(user(n), pace, start);
        }
        assert_eq!((departed.paces.len(), departed.by_payment.len()), (MAX_DEPARTED, MAX_DEPARTED));
        assert_eq!(departed.take(user(7)).paid_at, Some(start + COST));
        assert_eq!(departed.take(user(7)).paid_at, None);
        departed.insert(user(7), pace, start + COST);
        assert_eq!((departed.paces.len(), departed.by_payment.len()), (0, 0), "all are paid");
    }

    proptest! {
        #[test]
        fn nobody_who_keeps_to_the_pace_is_slowed(
            gaps in prop::collection::vec(2000u64..9000, 1..50)
        ) {
            let (mut pace, mut now) = (Pace::default(), Instant::now());
            for gap in gaps {
                now += Duration::from_millis(gap);
                pace.charge(now);
                prop_assert_eq!(pace.delay(now), Duration::ZERO);
            }
        }
    }
}
