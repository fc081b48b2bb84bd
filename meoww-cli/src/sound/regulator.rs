//! Holds the delay of the play position at its target: says when sound is to be made shorter or longer,
//! and how much of its quality that may cost. Pure; the delay is an argument.

/// So far from its target, in seconds, the delay is corrected; and so far, at any price.
const TOLERANCE: f64 = 0.008;
pub(super) const FAR: f64 = 0.060;
/// How alike pieces must be to be cut, as a correlation: usually, and at any price.
const SIMILARITY: f32 = 0.85;
const ANY_SIMILARITY: f32 = -1.0;
/// Blocks between two corrections: 60 ms.
const REST: u32 = 6;
/// The share of a block in the smoothed delay.
const SMOOTHING: f64 = 0.05;

/// The smoothed delay of one stream.
#[derive(Debug, Default)]
pub(super) struct Regulator {
    delay: f64,
    /// Blocks until the next correction.
    rest: u32,
    is_far: bool,
}

/// A correction that is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Correction {
    /// Seconds that the delay is too long; too short where it is less than zero.
    pub(super) excess: f64,
    /// How alike pieces must be to be cut.
    pub(super) similarity: f32,
}

impl Regulator {
    /// Begins with a delay, in seconds.
    pub(super) fn begin(&mut self, delay: f64) {
        *self = Self { delay, ..Self::default() };
    }

    /// The smoothed delay, in seconds.
    pub(super) fn delay(&self) -> f64 {
        self.delay
    }

    /// Takes the delay of a block and what it should be; returns a correction that is due.
    pub(super) fn update(&mut self, delay: f64, target: f64) -> Option<Correction> {
        self.delay += (delay - self.delay) * SMOOTHING;
        let excess = self.delay - target;
        self.rest = self.rest.saturating_sub(1);
        if excess.abs() < TOLERANCE || self.rest > 0 {
            return None;
        }
        self.is_far = excess.abs() > FAR;
        let similarity = if self.is_far { ANY_SIMILARITY } else { SIMILARITY };
        Some(Correction { excess, similarity })
    }

    /// The delay was made shorter by so many seconds.
    pub(super) fn corrected(&mut self, seconds: f64) {
        if seconds != 0.0 {
            self.delay -= seconds;
            self.rest = if self.is_far { 1 } else { REST };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_error_is_left_alone_and_a_large_one_is_corrected_at_any_price() {
        for (error, expected) in [
            (0.007, None),
            (0.050, Some(SIMILARITY)),
            (-0.050, Some(SIMILARITY)),
            (0.070, Some(ANY_SIMILARITY)),
        ] {
            let mut regulator = Regulator::default();
            regulator.begin(0.100 + error);
            let correction = regulator.update(0.100 + error, 0.100);
            assert_eq!(correction.map(|due| due.similarity), expected, "{error}");
        }
    }

    #[test]
    fn corrections_are_60_ms_apart_unless_the_error_is_large() {
        let mut regulator = Regulator::default();
        regulator.begin(0.150);
        let mut corrections = |delay, blocks| {
            let due = (0..blocks).filter(|_| {
                let is_due = regulator.update(delay, 0.100).is_some();
                // It changes nothing, so that there is always something to correct.
                regulator.corrected(if is_due { 1e-9 } else { 0.0 });
                is_due
            });
            due.count()
        };
        assert_eq!(corrections(0.150, 60), 10);
        corrections(0.300, 60);
        assert_eq!(corrections(0.300, 60), 60);
    }
}
