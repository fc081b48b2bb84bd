//! How much a speaker has in reserve, beside the portion it takes at once. Decides only; the time is an
//! argument.
//!
//! Where a machine is too busy to bring blocks in time, the speaker runs dry, and a gap is heard. Each
//! gap makes the reserve larger, and it shrinks again slowly, as delay is heard, too.

use std::time::{Duration, Instant};

/// Blocks of 10 ms, at least and at most.
const LEAST: usize = 1;
const MOST: usize = 6;
/// Gaps within this time are one: their cause is over before a larger reserve can help.
const ONE_GAP: Duration = Duration::from_millis(200);
/// Time without a gap until the reserve shrinks by a block.
const CALM: Duration = Duration::from_secs(30);

/// The reserve of one open speaker.
#[derive(Debug)]
pub(super) struct Reserve {
    blocks: usize,
    gaps: usize,
    /// When it grew or shrank last, or had a gap.
    since: Option<Instant>,
}

impl Default for Reserve {
    fn default() -> Self {
        Self { blocks: LEAST, gaps: 0, since: None }
    }
}

impl Reserve {
    /// In blocks of 10 ms.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// Takes how many gaps there were since the speaker was opened.
    pub(super) fn update(&mut self, gaps: usize, now: Instant) {
        let past = now.saturating_duration_since(*self.since.get_or_insert(now));
        if gaps != self.gaps {
            self.gaps = gaps;
            if past >= ONE_GAP {
                self.blocks = (self.blocks + 1).min(MOST);
                self.since = Some(now);
            }
        } else if past >= CALM {
            self.blocks = (self.blocks - 1).max(LEAST);
            self.since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn gaps_make_it_larger_and_calm_makes_it_smaller() {
        let start = clock::now();
        let mut reserve = Reserve::default();
        let mut blocks = |gaps, ms| {
            reserve.update(gaps, start + Duration::from_millis(ms));
            reserve.blocks()
        };
        assert_eq!([(0, 0), (1, 10), (2, 20)].map(|(gaps, ms)| blocks(gaps, ms)), [1, 1, 1]);
        assert_eq!([(3, 250), (4, 300), (5, 500)].map(|(gaps, ms)| blocks(gaps, ms)), [2, 2, 3]);
        assert_eq!([(5, 30_000), (5, 30_500)].map(|(gaps, ms)| blocks(gaps, ms)), [3, 2]);
        assert_eq!([(5, 60_000), (5, 60_500)].map(|(gaps, ms)| blocks(gaps, ms)), [2, 1]);
        assert_eq!(blocks(5, 120_000), 1);
    }

    #[test]
    fn it_has_an_end() {
        let start = clock::now();
        let mut reserve = Reserve::default();
        for gap in 0..100 {
            reserve.update(gap, start + gap as u32 * Duration::from_secs(1));
        }
        assert_eq!(reserve.blocks(), MOST);
    }
}
