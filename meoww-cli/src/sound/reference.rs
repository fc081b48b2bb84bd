//! The reference of echo cancellation: the blocks that the speaker plays, in step with the microphone.
//!
//! The two devices have clocks of their own, some ten to two hundred millionths apart. The samples that
//! wait between them are kept at one number by playing the reference (which is not heard) faster or
//! slower, so that the echo keeps its delay.

use std::collections::VecDeque;

use super::{
    BLOCK_SAMPLES, Block, SAMPLE_RATE, SILENCE,
    resample::{MAX_SPEED_CHANGE, Resampler},
};

/// Samples that should be left at the lowest, before a block is taken: two devices give and take
/// portions of 10 and 20 ms, so there are more most of the time. Less than the delay of any speaker.
const RESERVE: usize = 2 * BLOCK_SAMPLES;
/// More than this was left behind by a pause, and is dropped: 150 ms.
const MOST: usize = 15 * BLOCK_SAMPLES;
/// Blocks between two adjustments: one second.
const INTERVAL: u32 = 100;
/// Change of speed for a second of error, and for a second of it that lasted a second. The second is a
/// quarter of the first squared: no overshoot.
const PROPORTIONAL: f64 = 0.05;
const INTEGRAL: f64 = PROPORTIONAL * PROPORTIONAL / 4.0;

/// Takes blocks at the pace of the speaker, and gives them at that of the microphone.
pub(super) struct Reference {
    resampler: Resampler,
    waiting: VecDeque<f32>,
    /// The fewest samples since the last adjustment, and the blocks since then.
    lowest: usize,
    blocks: u32,
    /// The sum of the errors, in seconds times seconds.
    lasting: f64,
    is_playing: bool,
}

impl Default for Reference {
    fn default() -> Self {
        let resampler =
            Resampler::adjustable(SAMPLE_RATE, SAMPLE_RATE).expect("our rate is in range");
        let waiting = VecDeque::with_capacity(2 * MOST);
        Self { resampler, waiting, lowest: usize::MAX, blocks: 0, lasting: 0.0, is_playing: false }
    }
}

impl Reference {
    /// Takes a block that the speaker is to play.
    pub(super) fn played(&mut self, block: &Block) {
        if !self.is_playing {
            self.is_playing = true;
            self.waiting.extend([0.0; RESERVE]);
        }
        self.append(block);
    }

    /// The speaker played nothing for so many samples, after all blocks so far: those that follow come back
    /// so much later.
    pub(super) fn missed(&mut self, samples: usize) {
        if !self.is_playing {
            return;
        }
        let mut left = samples.min(MOST);
        while left > 0 {
            let piece = left.min(BLOCK_SAMPLES);
            self.append(&SILENCE[..piece]);
            left -= piece;
        }
    }

    fn append(&mut self, samples: &[f32]) {
        self.resampler.process(samples, &mut self.waiting);
        if self.waiting.len() > MOST {
            self.waiting.drain(..self.waiting.len() - RESERVE);
        }
    }

    /// The block for the next one of the microphone; silence while nothing is played.
    pub(super) fn next(&mut self) -> Block {
        self.adjust();
        if self.waiting.len() < BLOCK_SAMPLES {
            // The speaker paused; the reserve is put back when it goes on.
            self.is_playing = false;
            self.waiting.clear();
            return SILENCE;
        }
        let mut samples = self.waiting.drain(..BLOCK_SAMPLES);
        std::array::from_fn(|_| samples.next().expect("there are enough"))
    }

    fn adjust(&mut self) {
        self.lowest = self.lowest.min(self.waiting.len());
        self.blocks += 1;
        if self.blocks < INTERVAL {
            return;
        }
        let lowest = std::mem::replace(&mut self.lowest, usize::MAX);
        self.blocks = 0;
        if !self.is_playing {
            return;
        }
        let error = (lowest as f64 - RESERVE as f64) / f64::from(SAMPLE_RATE);
        let change = PROPORTIONAL * error + INTEGRAL * (self.lasting + error);
        // A correction at the largest speed says nothing about the clocks.
        if change.abs() < MAX_SPEED_CHANGE {
            self.lasting += error;
        }
        self.resampler.set_speed(1.0 + change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::testing::noise;

    /// Counts up, so that a gap shows; all below one.
    fn counting(number: usize) -> Block {
        std::array::from_fn(|at| ((number * BLOCK_SAMPLES + at) % 48_000) as f32 / 48_000.0)
    }

    /// Runs both devices in virtual time, the speaker in portions of two blocks and faster by so many
    /// millionths; returns, for each second, the number of silent blocks and the fewest samples left.
    fn run(reference: &mut Reference, ppm: f64, seconds: usize) -> Vec<(usize, usize)> {
        let mut played = 0;
        let mut second = |number: usize| {
            let (mut silent, mut lowest) = (0, usize::MAX);
            for tick in number * 100..(number + 1) * 100 {
                let due = (tick as f64 * (1.0 + ppm / 1e6)) as usize / 2 * 2 + 2;
                for number in played..due {
                    reference.played(&counting(number));
                }
                played = due;
                lowest = lowest.min(reference.waiting.len());
                silent += usize::from(reference.next() == SILENCE);
            }
            (silent, lowest)
        };
        (0..seconds).map(&mut second).collect()
    }

    #[test]
    fn clocks_that_differ_leave_no_gap_and_no_growing_delay() {
        for ppm in [-200.0, 200.0] {
            let mut reference = Reference::default();
            let seconds = run(&mut reference, ppm, 200);
            let silent: usize = seconds.iter().map(|(silent, _)| silent).sum();
            // The first blocks are the reserve itself.
            assert!(silent <= 2, "{ppm} ppm: {silent} silent blocks");
            // A portion that slips past a block of the microphone makes a difference of a block.
            let bounds = RESERVE - BLOCK_SAMPLES..=RESERVE + BLOCK_SAMPLES;
            let off = seconds.iter().skip(60).find(|(_, lowest)| !bounds.contains(lowest));
            assert_eq!(off, None, "{ppm} ppm");
        }
    }

    /// The speaker misses half a block or a whole one, and the microphone goes on.
    #[test]
    fn a_gap_of_the_speaker_leaves_the_echo_its_delay() {
        for gap in [BLOCK_SAMPLES / 2, BLOCK_SAMPLES] {
            let mut reference = Reference::default();
            // All that the speaker plays, with the gap, and the reference beside it.
            let (mut speaker, mut given, mut noise) = (Vec::new(), Vec::new(), noise());
            for number in 0..300 {
                if number == 200 {
                    speaker.extend(vec![0.0; gap]);
                    reference.missed(gap);
                }
                let block = std::array::from_fn(|_| noise.next().unwrap());
                speaker.extend(block);
                reference.played(&block);
                while given.len() + BLOCK_SAMPLES <= speaker.len() {
                    given.extend(reference.next());
                }
            }
            let delay = |at: usize| {
                let alike = |delay: usize| -> f32 {
                    let played = &speaker[at - delay..];
                    given[at..][..2_000].iter().zip(played).map(|(a, b)| a * b).sum()
                };
                (0..3_000).max_by(|one, other| alike(*one).total_cmp(&alike(*other))).unwrap()
            };
            let (before, after) = (delay(180 * BLOCK_SAMPLES), delay(280 * BLOCK_SAMPLES));
            // It is made longer or shorter by some hundredths of a millisecond in a second.
            assert!(before.abs_diff(after) < 48, "a gap of {gap}: from {before} to {after}");
        }
    }

    #[test]
    fn a_pause_of_either_is_survived() {
        let mut reference = Reference::default();
        run(&mut reference, 0.0, 10);
        for _ in 0..1000 {
            reference.next();
        }
        assert_eq!(reference.next(), SILENCE);
        for number in 0..1000 {
            reference.played(&counting(number));
            assert!(reference.waiting.len() <= MOST);
        }
        let seconds = run(&mut reference, 100.0, 300);
        assert!(seconds[60..].iter().all(|(silent, _)| *silent == 0), "{seconds:?}");
    }
}
