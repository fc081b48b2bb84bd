//! Decoded sound on its way to be played, which can be made shorter or longer without a click.
//!
//! Both leave out or repeat whole periods of the signal where it resembles itself most, and cross-fade
//! (WSOLA: W. Verhelst and M. Roelands, 1993; the choice of moments is left to the caller).

use super::{BLOCK_SAMPLES, Block};

/// The shortest and longest piece that is left out or repeated: 2.5 and 15 ms, a period of a voice of
/// 67 to 400 Hz, or several of a higher one.
const MIN_LAG: usize = 120;
const MAX_LAG: usize = 720;
/// Samples that are compared and cross-faded: 5 ms.
const FADE: usize = 240;
/// Of the samples compared in the first search, one in so many is.
const STRIDE: usize = 4;
/// Samples kept after they are played, to be repeated.
const HISTORY: usize = MAX_LAG;
/// Samples that can be played must be so many to leave any out: a block is there afterwards, too.
pub(crate) const SHORTEN_NEEDS: usize = MAX_LAG + BLOCK_SAMPLES;
/// Mean power of sound so quiet that any cut is inaudible: -60 dBFS.
const QUIET: f32 = 1e-6;

/// Samples in a row: those that were played, and those that will be.
#[derive(Debug, Default)]
pub(crate) struct Line {
    samples: Vec<f32>,
    played: usize,
}

impl Line {
    /// Samples that can be played.
    pub(crate) fn ahead(&self) -> usize {
        self.samples.len() - self.played
    }

    /// Where to append samples.
    pub(crate) fn end(&mut self) -> &mut Vec<f32> {
        &mut self.samples
    }

    /// Plays a block; silence where there are too few samples.
    pub(crate) fn take(&mut self, block: &mut Block) {
        let count = self.ahead().min(BLOCK_SAMPLES);
        block[..count].copy_from_slice(&self.samples[self.played..][..count]);
        block[count..].fill(0.0);
        self.played += count;
        if self.played > 8 * HISTORY {
            self.samples.drain(..self.played - HISTORY);
            self.played = HISTORY;
        }
    }

    /// Leaves out up to `most` of the next samples; returns how many: none where the signal does not
    /// resemble itself by `similarity` (a correlation, 1 at most).
    pub(crate) fn shorten(&mut self, most: usize, similarity: f32) -> usize {
        if self.ahead() < SHORTEN_NEEDS || most < MIN_LAG {
            return 0;
        }
        let ahead = &self.samples[self.played..];
        let lags = MIN_LAG..=most.min(MAX_LAG);
        let Some(lag) = best_lag(lags, similarity, |lag| (&ahead[..FADE], &ahead[lag..][..FADE]))
        else {
            return 0;
        };
        let joined = crossfade(&ahead[..FADE], &ahead[lag..][..FADE]);
        self.samples[self.played + lag..][..FADE].copy_from_slice(&joined);
        self.samples.drain(self.played..self.played + lag);
        lag
    }

    /// Repeats up to `most` samples; returns how many, as above.
    pub(crate) fn lengthen(&mut self, most: usize, similarity: f32) -> usize {
        let most = most.min(MAX_LAG).min(self.played);
        if self.ahead() < FADE || most < MIN_LAG {
            return 0;
        }
        let (samples, at) = (&self.samples, self.played);
        let pair = |lag: usize| (&samples[at..][..FADE], &samples[at - lag..][..FADE]);
        let Some(lag) = best_lag(MIN_LAG..=most, similarity, pair) else { return 0 };
        let (next, earlier) = pair(lag);
        let mut repeated = crossfade(next, earlier).to_vec();
        repeated.extend_from_slice(&samples[at - lag + FADE..at + FADE]);
        self.samples.splice(at..at + FADE, repeated);
        lag
    }
}

/// The lag at which two pieces are most alike; `None` where that is less than `similarity`.
fn best_lag<'a>(
    lags: std::ops::RangeInclusive<usize>,
    similarity: f32,
    pair: impl Fn(usize) -> (&'a [f32], &'a [f32]),
) -> Option<usize> {
    let alike = |lag: usize, stride| {
        let (one, other) = pair(lag);
        correlation(one, other, stride)
    };
    let best = |lags: std::ops::RangeInclusive<usize>, stride| {
        lags.map(|lag| (alike(lag, stride), lag)).max_by(|one, other| one.0.total_cmp(&other.0))
    };
    let (_, coarse) = best(lags.clone(), STRIDE)?;
    let near = (*lags.start()).max(coarse - 2)..=(*lags.end()).min(coarse + 2);
    let (alike, lag) = best(near, 1)?;
    (alike >= similarity).then_some(lag)
}

/// -1 to 1; 1 where both are quiet, as there is nothing to be heard then.
fn correlation(one: &[f32], other: &[f32], stride: usize) -> f32 {
    let (mut product, mut power, mut other_power) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(other).step_by(stride) {
        product += a * b;
        power += a * a;
        other_power += b * b;
    }
    let count = one.len().div_ceil(stride) as f32;
    if power < QUIET * count && other_power < QUIET * count {
        return 1.0;
    }
    let alike = product / (power * other_power).sqrt();
    if alike.is_finite() { alike } else { -1.0 }
}

/// From one piece to the other, with the slopes of a raised cosine.
fn crossfade(from: &[f32], to: &[f32]) -> [f32; FADE] {
    std::array::from_fn(|at| {
        let phase = (at as f32 + 0.5) / FADE as f32 * std::f32::consts::PI;
        let share = 0.5 - 0.5 * phase.cos();
        from[at] * (1.0 - share) + to[at] * share
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, count: usize) -> Vec<f32> {
        let radians = hertz / 48_000.0 * std::f32::consts::TAU;
        (0..count).map(|at| 0.1 * (at as f32 * radians).sin()).collect()
    }

    /// Plays 4 s of a tone, and makes it shorter or longer every 100 ms.
    fn played(hertz: f32, change: impl Fn(&mut Line) -> usize) -> (Vec<f32>, usize) {
        let mut line = Line::default();
        line.end().extend(tone(hertz, 4 * 48_000));
        let (mut played, mut changed) = (Vec::new(), 0);
        for at in 0..350 {
            if at % 10 == 9 {
                changed += change(&mut line);
            }
            let mut block = [0.0; BLOCK_SAMPLES];
            line.take(&mut block);
            played.extend(block);
        }
        (played, changed)
    }

    /// The largest second difference: how sharp the sharpest corner is.
    fn corner(samples: &[f32]) -> f32 {
        samples.windows(3).map(|s| (s[0] - 2.0 * s[1] + s[2]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn neither_makes_a_click() {
        for hertz in [100.0, 440.0, 1234.5, 3000.0] {
            let smooth = corner(&tone(hertz, 48_000));
            let (shorter, removed) = played(hertz, |line| line.shorten(MAX_LAG, 0.9));
            assert!(removed > 35 * MIN_LAG / 2, "{hertz} Hz: {removed}");
            let (longer, added) = played(hertz, |line| line.lengthen(MAX_LAG, 0.9));
            assert!(added > 35 * MIN_LAG / 2, "{hertz} Hz: {added}");
            for samples in [shorter, longer] {
                // -40 dBFS more than the tone itself has.
                assert!(corner(&samples) < smooth + 0.01, "{hertz} Hz: {}", corner(&samples));
                assert!(samples.iter().all(|sample| sample.abs() <= 0.101), "louder");
            }
        }
    }

    #[test]
    fn only_as_much_as_is_asked_for() {
        let mut line = Line::default();
        line.end().extend(tone(440.0, 4800));
        assert_eq!(line.shorten(MIN_LAG - 1, 0.0), 0);
        let before = line.ahead();
        let removed = line.shorten(300, 0.9);
        assert!((MIN_LAG..=300).contains(&removed));
        let mut least = Line::default();
        least.end().extend(tone(100.0, SHORTEN_NEEDS));
        assert!(least.shorten(MAX_LAG, 0.9) > 0 && least.ahead() >= BLOCK_SAMPLES);
        assert_eq!(line.ahead(), before - removed);
        assert_eq!(line.lengthen(MAX_LAG, 0.0), 0, "nothing was played that could be repeated");
        line.take(&mut [0.0; BLOCK_SAMPLES]);
        let before = line.ahead();
        let added = line.lengthen(MAX_LAG, 0.9);
        assert!((MIN_LAG..=BLOCK_SAMPLES).contains(&added));
        assert_eq!(line.ahead(), before + added);
    }

    #[test]
    fn what_resembles_nothing_is_left_alone() {
        let mut line = Line::default();
        let mut state = 1_u32;
        line.end().extend((0..4800).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        }));
        assert_eq!(line.shorten(MAX_LAG, 0.9), 0);
        line.take(&mut [0.0; BLOCK_SAMPLES]);
        assert_eq!(line.lengthen(MAX_LAG, 0.9), 0);
        assert!(line.shorten(MAX_LAG, -1.0) > 0, "unless it must be");
    }

    #[test]
    fn what_is_missing_is_silence_and_what_is_no_number_does_no_harm() {
        let mut line = Line::default();
        line.end().extend([0.5; 100]);
        let mut block = [1.0; BLOCK_SAMPLES];
        line.take(&mut block);
        assert_eq!((block[99], block[100]), (0.5, 0.0));
        line.end().extend([f32::NAN; 4800]);
        line.shorten(MAX_LAG, -1.0);
        line.lengthen(MAX_LAG, -1.0);
    }

    #[test]
    fn what_was_played_is_forgotten() {
        let mut line = Line::default();
        for _ in 0..10_000 {
            line.end().extend([0.1; BLOCK_SAMPLES]);
            line.take(&mut [0.0; BLOCK_SAMPLES]);
        }
        assert!(line.samples.len() <= 9 * HISTORY + BLOCK_SAMPLES);
    }
}
