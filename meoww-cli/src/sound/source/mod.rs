//! Where one's own sound comes from. Each source has a clock of its own, and blocks when they are due
//! by it.

mod file;

use std::time::{Duration, Instant};

use self::file::Clip;
use super::{
    AudioIn, BLOCK_SAMPLES, Block, SAMPLE_RATE, SILENCE, SoundError,
    device::{self, Kind, Microphone},
    pace::{BLOCK_TIME, Pace},
};
use crate::clock;

/// An open source.
pub(super) enum Source {
    /// Silence.
    None(Pace),
    /// A microphone, or the silence of none.
    Microphone(Box<Microphone>),
    /// Made by a function; so many blocks were.
    Made(Pace, fn(Duration) -> Block, u32),
    /// 440 Hz at -20 dBFS.
    Tone(Pace, Tone),
    /// A file, over and over.
    File(Pace, Clip),
}

impl Source {
    /// Opens a source; a file is read whole, and a microphone opens later.
    ///
    /// # Errors
    ///
    /// When there is no sound to be had from it.
    pub(super) fn open(audio: &AudioIn) -> Result<Self, SoundError> {
        Ok(match audio {
            AudioIn::Auto => Self::microphone(None),
            AudioIn::Device(wanted) => {
                Self::microphone(Some(device::find(Kind::Microphone, wanted)?.name))
            }
            AudioIn::None => Self::None(Pace::default()),
            AudioIn::Made(make) => Self::Made(Pace::default(), *make, 0),
            AudioIn::Tone => Self::Tone(Pace::default(), Tone::default()),
            AudioIn::File(path) => Self::File(Pace::default(), Clip::read(path)?),
        })
    }

    fn microphone(name: Option<String>) -> Self {
        Self::Microphone(Box::new(Microphone::new(name, clock::now())))
    }

    /// Whether there is nothing to be heard of it, as far as is known.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Self::None(_) => true,
            Self::Microphone(microphone) => microphone.is_missing(),
            Self::Made(..) | Self::Tone(..) | Self::File(..) => false,
        }
    }

    /// Goes on opening a device, or sees whether it still works; returns a notice for the user.
    /// `is_wanted` says whether it may be heard now. To be called from the thread that a device is to
    /// wake.
    pub(super) fn poll(&mut self, now: Instant, is_wanted: bool) -> Option<String> {
        match self {
            Self::Microphone(microphone) => microphone.poll(now, is_wanted),
            Self::None(_) | Self::Made(..) | Self::Tone(..) | Self::File(..) => None,
        }
    }

    /// Fills the next block, if one is due.
    pub(super) fn take(&mut self, now: Instant, block: &mut Block) -> bool {
        let pace = match self {
            Self::Microphone(microphone) => return microphone.take(now, block),
            Self::None(pace) | Self::Made(pace, ..) | Self::Tone(pace, _) | Self::File(pace, _) => {
                pace
            }
        };
        if !pace.take(now) {
            return false;
        }
        match self {
            Self::None(_) | Self::Microphone(_) => *block = SILENCE,
            Self::Made(_, make, blocks) => {
                *block = make(*blocks * BLOCK_TIME);
                *blocks = blocks.wrapping_add(1);
            }
            Self::Tone(_, tone) => tone.fill(block),
            Self::File(_, clip) => clip.fill(block),
        }
        true
    }
}

/// 440 Hz at -20 dBFS.
#[derive(Debug, Default)]
pub(super) struct Tone {
    /// In samples; 1,200 of them are eleven periods.
    phase: usize,
}

impl Tone {
    const HERTZ: usize = 440;
    /// The mean power of a sine is 3 dB below its peak.
    const AMPLITUDE: f64 = 0.1 * std::f64::consts::SQRT_2;

    fn fill(&mut self, block: &mut Block) {
        let turns = std::f64::consts::TAU * Self::HERTZ as f64 / f64::from(SAMPLE_RATE);
        for (at, sample) in block.iter_mut().enumerate() {
            *sample = (Self::AMPLITUDE * ((self.phase + at) as f64 * turns).sin()) as f32;
        }
        self.phase = (self.phase + BLOCK_SAMPLES) % 1_200;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::level;

    #[test]
    fn a_tone_is_of_its_pitch_and_level_without_a_seam() {
        let mut tone = Tone::default();
        let mut samples = Vec::new();
        for _ in 0..100 {
            let mut block = SILENCE;
            tone.fill(&mut block);
            samples.extend(block);
        }
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert_eq!(crossings, 439, "of 440 periods in a second, the first begins before it");
        assert!((level::dbfs(&samples) + 20.0).abs() < 0.01);
        let steepest = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.00815, "{steepest}");
    }
}
