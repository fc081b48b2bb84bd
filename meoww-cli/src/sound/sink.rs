//! Where the partner's sound goes. Each sink has a clock of its own, and takes blocks when they are
//! due by it.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hound::{SampleFormat, WavSpec, WavWriter};

use super::{
    AudioOut, Block, SAMPLE_RATE, SoundError,
    device::{self, Kind, Speaker},
    pace::Pace,
};
use crate::clock;

/// Blocks between two updates of a WAV file's header: a killed program loses the last
/// second of it at most.
const FLUSH_BLOCKS: u32 = 100;

/// An open sink.
pub(super) enum Sink {
    /// Nothing is played.
    None(Pace),
    /// A speaker, or none while there is none.
    Speaker(Box<Speaker>),
    /// A function takes them.
    Taken(Pace, fn(&Block)),
    /// A WAV file.
    WavFile(Pace, Wav),
}

impl Sink {
    /// Opens a sink; a speaker opens later.
    ///
    /// # Errors
    ///
    /// When there is no such speaker, or the file cannot be written.
    pub(super) fn open(audio: &AudioOut) -> Result<Self, SoundError> {
        Ok(match audio {
            AudioOut::Auto => Self::speaker(None),
            AudioOut::Device(wanted) => {
                Self::speaker(Some(device::find(Kind::Speaker, wanted)?.name))
            }
            AudioOut::None => Self::None(Pace::default()),
            AudioOut::Taken(take) => Self::Taken(Pace::default(), *take),
            AudioOut::WavFile(path) => Self::WavFile(Pace::default(), Wav::create(path)?),
        })
    }

    fn speaker(name: Option<String>) -> Self {
        Self::Speaker(Box::new(Speaker::new(name, clock::now())))
    }

    /// Goes on opening a device, or sees whether it still works; returns a notice for the user. To be
    /// called from the thread that a device is to wake.
    pub(super) fn poll(&mut self, now: Instant) -> Option<String> {
        match self {
            Self::Speaker(speaker) => speaker.poll(now),
            Self::None(_) | Self::Taken(..) | Self::WavFile(..) => None,
        }
    }

    /// Whether there is no sound system, and so no microphone either.
    pub(super) fn lacks_system(&self) -> bool {
        match self {
            Self::Speaker(speaker) => speaker.lacks_system(),
            Self::None(_) | Self::Taken(..) | Self::WavFile(..) => false,
        }
    }

    /// Whether its sound can come back through a microphone.
    pub(super) fn is_audible(&mut self) -> bool {
        match self {
            Self::Speaker(speaker) => speaker.is_open(),
            Self::None(_) | Self::Taken(..) | Self::WavFile(..) => false,
        }
    }

    /// Samples for which a speaker had nothing to play since the last call, after all blocks so far.
    pub(super) fn missed(&mut self) -> usize {
        match self {
            Self::Speaker(speaker) => speaker.missed(),
            Self::None(_) | Self::Taken(..) | Self::WavFile(..) => 0,
        }
    }

    /// How long it takes until the next block is heard.
    pub(super) fn delay(&mut self) -> Duration {
        match self {
            Self::Speaker(speaker) => speaker.delay(),
            Self::None(_) | Self::Taken(..) | Self::WavFile(..) => Duration::ZERO,
        }
    }

    /// Whether a block is due; the caller then gives one.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        match self {
            Self::Speaker(speaker) => speaker.is_due(now),
            Self::None(pace) | Self::Taken(pace, _) | Self::WavFile(pace, _) => pace.take(now),
        }
    }

    /// Plays a block. When that fails, nothing is played any more.
    ///
    /// # Errors
    ///
    /// Once, with a notice for the user.
    pub(super) fn put(&mut self, block: &Block) -> Result<(), SoundError> {
        let written = match self {
            Self::None(_) => Ok(()),
            Self::Speaker(speaker) => {
                speaker.put(block);
                Ok(())
            }
            Self::Taken(_, take) => {
                take(block);
                Ok(())
            }
            Self::WavFile(_, wav) => wav.write(block),
        };
        if written.is_err() {
            *self = Self::None(Pace::default());
        }
        written
    }
}

/// A WAV file that is being written.
pub(super) struct Wav {
    writer: WavWriter<BufWriter<File>>,
    path: PathBuf,
    unflushed: u32,
}

impl Wav {
    fn create(path: &Path) -> Result<Self, SoundError> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let writer = WavWriter::create(path, spec).map_err(|error| unwritable(path, &error))?;
        Ok(Self { writer, path: path.to_owned(), unflushed: 0 })
    }

    fn write(&mut self, block: &Block) -> Result<(), SoundError> {
        self.try_write(block).map_err(|error| unwritable(&self.path, &error))
    }

    fn try_write(&mut self, block: &Block) -> Result<(), hound::Error> {
        for sample in block {
            self.writer.write_sample((sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16)?;
        }
        self.unflushed += 1;
        if self.unflushed == FLUSH_BLOCKS {
            self.unflushed = 0;
            self.writer.flush()?;
        }
        Ok(())
    }
}

fn unwritable(path: &Path, error: &hound::Error) -> SoundError {
    SoundError::Unwritable { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use hound::WavReader;

    use super::*;
    use crate::sound::BLOCK_SAMPLES;

    #[test]
    fn a_file_can_be_read_before_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        let mut sink = Sink::open(&AudioOut::WavFile(path.clone())).unwrap();
        for _ in 0..FLUSH_BLOCKS {
            sink.put(&[0.5; BLOCK_SAMPLES]).unwrap();
        }
        let samples: Vec<i16> = WavReader::open(&path).unwrap().samples().flatten().collect();
        assert_eq!(samples, vec![16_384; 48_000]);
        sink.put(&[2.0; BLOCK_SAMPLES]).unwrap();
        drop(sink);
        let samples: Vec<i16> = WavReader::open(&path).unwrap().samples().flatten().collect();
        assert_eq!((samples.len(), samples[48_000]), (48_480, 32_767));
    }

    #[test]
    fn a_file_that_cannot_be_written_says_so() {
        let refused = Sink::open(&AudioOut::WavFile("/nowhere/call.wav".into())).err().unwrap();
        assert!(refused.to_string().ends_with("Name another file after --audio-out."), "{refused}");
    }

    /// A disk that is full.
    #[test]
    fn a_file_that_cannot_be_written_any_more_is_said_once() {
        let mut sink = Sink::open(&AudioOut::WavFile("/dev/full".into())).unwrap();
        let failed = (0..1000).filter(|_| sink.put(&[0.5; BLOCK_SAMPLES]).is_err()).count();
        assert_eq!(failed, 1);
    }
}
