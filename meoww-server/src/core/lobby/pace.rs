//! How fast one user may go from stranger to stranger.

use std::time::{Duration, Instant};

/// What leaving a partner costs, in time that has to pass before it is forgotten.
const COST: Duration = Duration::from_secs(2);
/// Cost that slows nobody: five partners left at once.
const FREE: Duration = Duration::from_secs(10);
/// The part of the cost beyond [`FREE`] that the next match waits for. Whoever skips without pause
/// comes to wait for [`COST`] each time.
const SHARE: u32 = 4;
/// Longest delay.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// What a user's skips have cost and time has not yet paid: the virtual scheduling of the generic
/// cell rate algorithm (ITU-T I.371).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    paid_at: Option<Instant>,
}

impl Pace {
    /// Counts a partner left.
    pub(super) fn charge(&mut self, now: Instant) {
        let owed = self.owed(now) + COST;
        self.paid_at = Some(now + owed.min(FREE + MAX_DELAY * SHARE));
    }

    /// How long the next match has to wait.
    pub(super) fn delay(&self, now: Instant) -> Duration {
        self.owed(now).saturating_sub(FREE) / SHARE
    }

    fn owed(&self, now: Instant) -> Duration {
        self.paid_at.map_or(Duration::ZERO, |paid_at| paid_at.saturating_duration_since(now))
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
