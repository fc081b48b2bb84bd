//! How loud a signal is, and whether somebody talks.

use super::Block;

/// The least that a meter shows, in dBFS.
pub(super) const QUIETEST: f32 = -100.0;
/// The most that a meter falls in a block, in dB: 30 dB a second, to be readable.
const FALL: f32 = 0.3;
/// How far above its background a voice is, in dB.
const ABOVE_BACKGROUND: f32 = 12.0;
/// A voice is no softer than this, in dBFS.
const SOFTEST: f32 = -45.0;
/// The rise of the estimated background in a block, in dB.
const BACKGROUND_RISE: f32 = 0.02;
/// Blocks with a voice, less those without, until it counts as talk: 300 ms.
const TALK_BLOCKS: u32 = 30;

/// The level of a block in dBFS: 0 is the mean power of a square wave at full scale.
pub(super) fn dbfs(block: &[f32]) -> f32 {
    let power = block.iter().map(|sample| sample * sample).sum::<f32>() / block.len().max(1) as f32;
    (10.0 * power.log10()).max(QUIETEST)
}

/// A meter that rises at once and falls slowly.
#[derive(Debug)]
pub(super) struct Meter(f32);

impl Default for Meter {
    fn default() -> Self {
        Self(QUIETEST)
    }
}

impl Meter {
    /// Takes a block; returns the level to be shown, in dBFS.
    pub(super) fn update(&mut self, block: &Block) -> f32 {
        self.0 = dbfs(block).max(self.0 - FALL);
        self.0
    }
}

/// Notices somebody who talks although the microphone is off; says so once, until it is on again.
#[derive(Debug)]
pub(super) struct TalkDetector {
    background: f32,
    talk: u32,
    is_reported: bool,
}

impl Default for TalkDetector {
    fn default() -> Self {
        Self { background: 0.0, talk: 0, is_reported: false }
    }
}

impl TalkDetector {
    /// Takes a block of the microphone; returns whether to tell the user.
    pub(super) fn update(&mut self, block: &Block, is_muted: bool) -> bool {
        let level = dbfs(block);
        self.background = level.min(self.background + BACKGROUND_RISE);
        let is_voice = level > SOFTEST && level > self.background + ABOVE_BACKGROUND;
        self.talk = if is_voice { self.talk + 1 } else { self.talk.saturating_sub(1) };
        if !is_muted {
            (self.talk, self.is_reported) = (0, false);
        }
        let is_news = self.talk >= TALK_BLOCKS && !self.is_reported;
        self.is_reported |= is_news;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::{BLOCK_SAMPLES, SILENCE};

    fn tone(amplitude: f32) -> Block {
        // Whole periods, so that each block has the same power.
        std::array::from_fn(|at| amplitude * (at as f32 / 48.0 * std::f32::consts::TAU).sin())
    }

    #[test]
    fn levels_are_those_of_the_textbook() {
        assert_eq!(dbfs(&SILENCE), QUIETEST);
        assert_eq!(dbfs(&[1.0; BLOCK_SAMPLES]), 0.0);
        // A sine at full scale has half the power of a square wave: -3.01 dB.
        assert!((dbfs(&tone(1.0)) + 3.01).abs() < 0.01);
        assert!((dbfs(&tone(0.1)) + 23.01).abs() < 0.01);
    }

    #[test]
    fn a_meter_falls_slowly() {
        let mut meter = Meter::default();
        assert_eq!(meter.update(&[1.0; BLOCK_SAMPLES]), 0.0);
        let after_a_second = (0..100).map(|_| meter.update(&SILENCE)).last();
        assert!((after_a_second.unwrap() + 30.0).abs() < 0.1);
    }

    #[test]
    fn talking_while_muted_is_noticed_once() {
        let mut detector = TalkDetector::default();
        let mut news = |amplitude: f32, blocks: usize, is_muted: bool| {
            (0..blocks).filter(|_| detector.update(&tone(amplitude), is_muted)).count()
        };
        assert_eq!(news(0.003, 100, true), 0, "a quiet room");
        assert_eq!(news(0.1, 25, true), 0, "a cough");
        assert_eq!(news(0.003, 100, true), 0);
        assert_eq!(news(0.1, 200, true), 1, "talk");
        assert_eq!(news(0.003, 100, false), 0);
        assert_eq!(news(0.1, 200, false), 0, "it is on");
        assert_eq!(news(0.003, 100, true), 0);
        assert_eq!(news(0.1, 200, true), 1, "muted again");
    }

    #[test]
    fn a_noise_that_stays_is_no_talk() {
        let mut detector = TalkDetector::default();
        let _ = (0..500).filter(|_| detector.update(&tone(0.02), true)).count();
        assert_eq!((0..500).filter(|_| detector.update(&tone(0.03), true)).count(), 0);
    }
}
