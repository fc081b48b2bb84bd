//! When to ask the partner for a key frame.

use std::time::{Duration, Instant};

/// Between the first two requests, at least, and beyond the round trip that an answer takes. A request
/// or its answer may be lost, so there are more; but what was asked for often enough is not what is
/// missing, so each waits twice as long as the one before.
const FIRST_GAP: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_millis(120);
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Whether there is something to ask for.
pub(in crate::peer) struct Keyframes {
    needed: bool,
    asked: Option<Instant>,
    /// Requests since there was a picture.
    tries: u32,
    first_gap: Duration,
}

impl Keyframes {
    /// A new track: its first packets may have been sent before it was there.
    pub(in crate::peer) fn new() -> Self {
        Self { needed: true, asked: None, tries: 0, first_gap: FIRST_GAP }
    }

    /// How long an answer is under way.
    pub(in crate::peer) fn set_round_trip(&mut self, round_trip: Duration) {
        self.first_gap = FIRST_GAP.max(round_trip + ANSWER);
    }

    pub(in crate::peer) fn is_needed(&self) -> bool {
        self.needed
    }

    /// A picture is missing or cannot be decoded.
    pub(in crate::peer) fn lost(&mut self) {
        self.needed = true;
    }

    /// A picture was decoded.
    pub(in crate::peer) fn decoded(&mut self) {
        self.needed = false;
        self.tries = 0;
    }

    /// The partner's camera is on again, or its packets come again.
    pub(in crate::peer) fn restart(&mut self) {
        self.tries = 0;
    }

    /// Whether to ask now; counts as asked.
    pub(in crate::peer) fn ask(&mut self, now: Instant) -> bool {
        let gap = self.first_gap * 2_u32.saturating_pow(self.tries.saturating_sub(1).min(10));
        let gap = gap.min(LONGEST_GAP);
        let waited = |asked| now.saturating_duration_since(asked) >= gap;
        let ask = self.needed && self.asked.is_none_or(waited);
        if ask {
            self.tries = self.tries.saturating_add(1);
            self.asked = Some(now);
        }
        ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// Milliseconds at which it asks in the first 20 s, looked at every 20 ms.
    fn asked(keyframes: &mut Keyframes, start: Instant) -> Vec<u64> {
        let times = (0..20_000).step_by(20);
        times.filter(|ms| keyframes.ask(start + Duration::from_millis(*ms))).collect()
    }

    #[test]
    fn what_does_not_help_is_asked_for_ever_more_rarely() {
        let mut keyframes = Keyframes::new();
        let times = [0, 200, 600, 1_400, 3_000, 6_200, 11_200, 16_200];
        assert_eq!(asked(&mut keyframes, clock::now()), times);
    }

    #[test]
    fn a_picture_ends_it_and_the_next_loss_is_asked_for_at_once() {
        let (mut keyframes, start) = (Keyframes::new(), clock::now());
        asked(&mut keyframes, start);
        keyframes.decoded();
        let later = start + Duration::from_secs(30);
        assert!(asked(&mut keyframes, later).is_empty());
        keyframes.lost();
        assert_eq!(asked(&mut keyframes, later)[..3], [0, 200, 600]);
    }

    #[test]
    fn an_answer_that_is_under_way_is_waited_for() {
        let mut keyframes = Keyframes::new();
        keyframes.set_round_trip(Duration::from_millis(300));
        assert_eq!(asked(&mut keyframes, clock::now())[..3], [0, 420, 1_260]);
    }
}
