//! How many pictures a second the partner is asked for: hardly more than the terminal shows.

use std::time::Duration;

use crate::picture::wanted::{LEAST_FPS, MOST_FPS};

/// How often it is decided.
const PERIOD: Duration = Duration::from_secs(1);
/// For each picture shown, so many are asked for: the newest is then hardly older than it would be with
/// all of them.
const MARGIN: f64 = 1.3;
/// Fewer are asked for where this part was never shown. It is more than the margin makes.
const TOO_MANY: f64 = 0.3;
/// More are asked for where this part of those asked for was shown, and none left out.
const ENOUGH: f64 = 0.8;
/// So many times as many, to a terminal that is known to be slow, and to one that is not.
const SLOW_GROWTH: f64 = 1.25;
const FAST_GROWTH: f64 = 2.0;

/// Decides once a second. Times count from the start.
#[derive(Debug)]
pub(super) struct Rate {
    fps: u8,
    since: Duration,
    shown: u64,
    left_out: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { fps: MOST_FPS, since: Duration::ZERO, shown: 0, left_out: 0 }
    }
}

impl Rate {
    /// So many pictures were shown.
    pub(super) fn shown(&mut self, pictures: u64) {
        self.shown += pictures;
    }

    /// A picture was not drawn, as a newer one came before.
    pub(super) fn left_out(&mut self) {
        self.left_out += 1;
    }

    /// Returns how many pictures a second to ask for from now on.
    pub(super) fn at(&mut self, now: Duration, is_slow: bool) -> u8 {
        let time = now.saturating_sub(self.since);
        if time < PERIOD {
            return self.fps;
        }
        let (shown, left_out) = (self.shown as f64, self.left_out as f64);
        (self.since, self.shown, self.left_out) = (now, 0, 0);
        let shown_a_second = shown / time.as_secs_f64();
        let fps = f64::from(self.fps);
        let wanted = if left_out > TOO_MANY * (shown + left_out) {
            fps.min(shown_a_second * MARGIN)
        } else if left_out == 0.0 && shown_a_second >= ENOUGH * fps {
            fps * if is_slow { SLOW_GROWTH } else { FAST_GROWTH }
        } else {
            fps
        };
        self.fps = wanted.ceil().clamp(f64::from(LEAST_FPS), f64::from(MOST_FPS)) as u8;
        self.fps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a terminal that shows `most` pictures a second of those that are asked for.
    fn run(rate: &mut Rate, from: u64, seconds: u64, most: u64, is_slow: bool) -> u8 {
        let mut fps = rate.fps;
        for second in from..from + seconds {
            let shown = most.min(fps.into());
            rate.shown(shown);
            (shown..fps.into()).for_each(|_| rate.left_out());
            fps = rate.at(Duration::from_secs(second + 1), is_slow);
        }
        fps
    }

    #[test]
    fn a_slow_terminal_is_sent_little_more_than_it_shows_within_a_second() {
        let mut rate = Rate::default();
        assert_eq!(run(&mut rate, 0, 1, 10, true), 13);
        assert_eq!(run(&mut rate, 1, 60, 10, true), 13, "and it stays so");
        assert_eq!(run(&mut rate, 61, 1, 2, true), LEAST_FPS);
    }

    #[test]
    fn a_terminal_that_keeps_up_is_sent_more_and_more() {
        let mut rate = Rate::default();
        run(&mut rate, 0, 1, 3, true);
        assert_eq!(run(&mut rate, 1, 3, 30, false), MOST_FPS);
        let mut rate = Rate::default();
        run(&mut rate, 0, 1, 10, true);
        assert_eq!(run(&mut rate, 1, 1, 30, true), 17);
        assert_eq!(run(&mut rate, 2, 3, 30, true), MOST_FPS);
    }

    #[test]
    fn a_partner_who_sends_few_is_asked_for_no_fewer_and_no_more() {
        let mut rate = Rate::default();
        for second in 1..20 {
            rate.shown(8);
            assert_eq!(rate.at(Duration::from_secs(second), false), MOST_FPS);
        }
        // As for ever as there is no partner.
        let mut rate = Rate { fps: 13, ..Rate::default() };
        assert_eq!(rate.at(Duration::from_secs(99), false), 13);
    }
}
