//! Blocks to a speaker, or to nowhere while there is none.

use std::time::Instant;

use super::{Kind, line::Line, reserve::Reserve, stream::Ring};
use crate::sound::{Block, SAMPLE_RATE, pace::Pace, resample::Resampler};

/// The speaker of a call.
pub(in crate::sound) struct Speaker {
    line: Line,
    resampler: Option<Resampler>,
    portion: Vec<f32>,
    /// The pace while there is none.
    pace: Pace,
    reserve: Reserve,
}

impl Speaker {
    /// Begins with the device of that name, or the default one.
    pub(in crate::sound) fn new(chosen: Option<String>, now: Instant) -> Self {
        Self {
            line: Line::new(Kind::Speaker, chosen, now),
            resampler: None,
            portion: Vec::new(),
            pace: Pace::default(),
            reserve: Reserve::default(),
        }
    }

    /// Returns what the user should know. To be called from the thread that the device is to wake.
    pub(in crate::sound) fn poll(&mut self, now: Instant) -> Option<String> {
        let change = self.line.poll(now);
        if change.is_new {
            let stream = self.line.stream();
            self.resampler =
                stream.and_then(|stream| Resampler::new(SAMPLE_RATE, stream.rate).ok());
            self.pace = Pace::default();
            self.reserve = Reserve::default();
        }
        if let Some(stream) = self.line.stream() {
            self.reserve.update(stream.gaps(), now);
        }
        change.notice
    }

    /// Whether there is no sound system.
    pub(in crate::sound) fn lacks_system(&self) -> bool {
        self.line.is_without_system()
    }

    /// Whether a device is open.
    pub(in crate::sound) fn is_open(&mut self) -> bool {
        self.line.stream().is_some()
    }

    /// Whether a block is due; the caller then gives one.
    pub(in crate::sound) fn is_due(&mut self, now: Instant) -> bool {
        let Some(stream) = self.line.stream() else { return self.pace.take(now) };
        let Ring::ToPlay(ring) = &stream.ring else { return false };
        let waiting = ring.buffer().capacity() - ring.slots();
        // One portion of the device, and a reserve until the next call.
        let reserve = self.reserve.blocks() * stream.rate as usize / 100;
        waiting < stream.portion() + reserve
    }

    /// Plays a block.
    pub(in crate::sound) fn put(&mut self, block: &Block) {
        let (Some(stream), Some(resampler)) = (self.line.stream(), &mut self.resampler) else {
            return;
        };
        if let Ring::ToPlay(ring) = &mut stream.ring {
            self.portion.clear();
            resampler.process(block, &mut self.portion);
            for sample in &self.portion {
                // It is only full if more blocks are given than are due.
                let _ = ring.push(*sample);
            }
        }
    }
}
