//! Blocks by the clock of the system, where no device has one.

use std::time::{Duration, Instant};

/// The time of a block.
pub(super) const BLOCK_TIME: Duration = Duration::from_millis(10);
/// The most that is made up for: after a pause (a suspended machine) time goes on from now.
pub(super) const MAX_BEHIND: Duration = Duration::from_millis(200);

/// Says when blocks are due.
#[derive(Debug, Default)]
pub(super) struct Pace {
    due: Option<Instant>,
}

impl Pace {
    /// Whether a block is due; asking takes it.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let due = *self.due.get_or_insert(now);
        if now < due {
            return false;
        }
        let is_far_behind = now.saturating_duration_since(due) > MAX_BEHIND;
        self.due = Some(if is_far_behind { now } else { due } + BLOCK_TIME);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_by_the_clock_and_a_pause_is_not_made_up_for() {
        let (mut pace, start) = (Pace::default(), crate::clock::now());
        let mut taken_at = |ms| {
            let now = start + Duration::from_millis(ms);
            std::iter::from_fn(|| pace.take(now).then_some(())).count()
        };
        assert_eq!([0, 5, 10, 35, 40].map(&mut taken_at), [1, 0, 1, 2, 1]);
        assert_eq!(taken_at(60_000), 1);
        assert_eq!(taken_at(60_010), 1);
    }
}
