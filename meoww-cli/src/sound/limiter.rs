//! The last stage before a speaker: no sample beyond full scale, and no shriek.

use super::{Block, level};

/// No sample is played louder: -1 dBFS.
const CEILING: f32 = 0.891;
/// The gain recovers by this factor a sample after a peak: about 80 ms for 6 dB.
const RECOVERY: f32 = 1.000_18;
/// A signal whose mean power stays above this, in dBFS, is a shriek and no voice: speech at full scale
/// has its mean some 12 dB lower.
const SHRIEK: f32 = -6.0;
/// Blocks that a shriek may last: 200 ms.
const PATIENCE: u32 = 20;
/// The gain for a shriek: -20 dB.
const TURNED_DOWN: f32 = 0.1;
/// The steps of that gain in a block, down (-20 dB in 50 ms) and up (20 dB in 3 s).
const DOWN: f32 = 0.63;
const UP: f32 = 1.0077;

/// Limits peaks at once, and turns down sound that stays at full scale for 200 ms.
#[derive(Debug)]
pub(crate) struct Limiter {
    gain: f32,
    loud_blocks: u32,
    shriek_gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0, loud_blocks: 0, shriek_gain: 1.0 }
    }
}

impl Limiter {
    /// Makes a block fit to be played.
    pub(crate) fn process(&mut self, block: &mut Block) {
        clean(block);
        let before = self.shriek_gain;
        self.watch(block);
        let step = (self.shriek_gain - before) / block.len() as f32;
        for (at, sample) in block.iter_mut().enumerate() {
            *sample *= before + step * at as f32;
            self.gain = (self.gain * RECOVERY).min(1.0);
            if sample.abs() * self.gain > CEILING {
                self.gain = CEILING / sample.abs();
            }
            *sample *= self.gain;
        }
    }

    /// Judges the signal as it came, so that turning it down is no reason to turn it up again.
    fn watch(&mut self, block: &Block) {
        let is_loud = level::dbfs(block) > SHRIEK;
        self.loud_blocks = if is_loud { self.loud_blocks + 1 } else { 0 };
        let factor = if self.loud_blocks >= PATIENCE { DOWN } else { UP };
        // A loud moment at reduced gain does not reset the gain yet.
        if !is_loud || self.loud_blocks >= PATIENCE {
            self.shriek_gain = (self.shriek_gain * factor).clamp(TURNED_DOWN, 1.0);
        }
    }
}

/// Replaces NaN by silence, and clamps the rest to a hundred times full scale.
pub(super) fn clean(block: &mut [f32]) {
    for sample in block {
        *sample = if sample.is_nan() { 0.0 } else { sample.clamp(-100.0, 100.0) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sound::BLOCK_SAMPLES;

    fn level_after(limiter: &mut Limiter, amplitude: f32, blocks: usize) -> f32 {
        let mut last = [0.0; BLOCK_SAMPLES];
        for _ in 0..blocks {
            last = std::array::from_fn(|at| if at / 24 % 2 == 0 { amplitude } else { -amplitude });
            limiter.process(&mut last);
        }
        level::dbfs(&last)
    }

    #[test]
    fn ordinary_sound_is_not_touched() {
        let mut limiter = Limiter::default();
        let block: Block = std::array::from_fn(|at| 0.5 * (at as f32 / 17.0).sin());
        for _ in 0..100 {
            let mut limited = block;
            limiter.process(&mut limited);
            assert_eq!(limited, block);
        }
    }

    #[test]
    fn a_shriek_is_turned_down_after_200_ms_and_comes_back_later() {
        let mut limiter = Limiter::default();
        let first = level_after(&mut limiter, 1.0, 19);
        assert!(first > -2.0, "a shout of 190 ms: {first} dBFS");
        let later = level_after(&mut limiter, 1.0, 10);
        assert!(later < -18.0, "after 290 ms: {later} dBFS");
        let much_later = level_after(&mut limiter, 1.0, 1000);
        assert!(much_later < -18.0, "it goes on: {much_later} dBFS");
        let speech = level_after(&mut limiter, 0.1, 500);
        assert!((speech + 20.0).abs() < 0.1, "five seconds after it: {speech} dBFS");
    }

    proptest! {
        #[test]
        fn nothing_is_beyond_the_ceiling(
            samples in prop::collection::vec(any::<f32>(), 4 * BLOCK_SAMPLES),
        ) {
            let mut limiter = Limiter::default();
            for block in samples.chunks_exact(BLOCK_SAMPLES) {
                let mut block: Block = block.try_into().unwrap();
                limiter.process(&mut block);
                prop_assert!(block.iter().all(|sample| sample.abs() <= 0.9), "{block:?}");
            }
        }
    }
}
