//! Blocks from a microphone, or of silence while there is none, or while it is not wanted.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Kind, line::Line, stream::Ring};
use crate::sound::{
    BLOCK_SAMPLES, Block, SAMPLE_RATE, SILENCE, pace::BLOCK_TIME, resample::Resampler,
};

/// A microphone that gave nothing for so long is replaced by silence, so that time goes on.
const LATE: Duration = Duration::from_millis(200);
/// After a longer pause (a suspended machine) time goes on from now.
const PAUSE: Duration = Duration::from_secs(1);
/// A microphone that is not wanted is given back after so long: the next partner may come soon.
const KEPT: Duration = Duration::from_secs(10);

/// The microphone of a call.
pub(in crate::sound) struct Microphone {
    line: Line,
    resampler: Option<Resampler>,
    portion: Vec<f32>,
    waiting: VecDeque<f32>,
    /// The time that the last block stands for.
    last: Instant,
    /// Whether that was silence instead of sound.
    is_late: bool,
    /// When it was wanted last; `None` while it is not held.
    wanted: Option<Instant>,
}

impl Microphone {
    /// Begins with the device of that name, or the default one, once it is wanted.
    pub(in crate::sound) fn new(chosen: Option<String>, now: Instant) -> Self {
        Self {
            line: Line::new(Kind::Microphone, chosen, now),
            resampler: None,
            portion: Vec::new(),
            waiting: VecDeque::new(),
            last: now,
            is_late: false,
            wanted: None,
        }
    }

    /// Whether there is none, as far as is known.
    pub(in crate::sound) fn is_missing(&self) -> bool {
        self.line.is_without()
    }

    /// Takes the samples that the device has recorded; returns a notice for the user. It is opened when it is
    /// wanted first: no system shows a microphone in use before. To be called from the thread that the
    /// device is to wake.
    pub(in crate::sound) fn poll(&mut self, now: Instant, is_wanted: bool) -> Option<String> {
        if is_wanted {
            self.wanted = Some(now);
        }
        if now.saturating_duration_since(self.wanted?) > KEPT {
            self.wanted = None;
            self.line.close(now);
            self.waiting.clear();
            return None;
        }
        let change = self.line.poll(now);
        let Some(stream) = self.line.stream() else {
            self.waiting.clear();
            return change.notice;
        };
        if change.is_new {
            self.resampler = Resampler::new(stream.rate, SAMPLE_RATE).ok();
        }
        if let (Ring::Recorded(ring), Some(resampler)) = (&mut stream.ring, &mut self.resampler) {
            self.portion.clear();
            self.portion.extend(std::iter::from_fn(|| ring.pop().ok()));
            resampler.process(&self.portion, &mut self.waiting);
        }
        // Silence was given instead of samples that come late.
        if self.is_late && self.waiting.len() > BLOCK_SAMPLES {
            self.waiting.drain(..self.waiting.len() - BLOCK_SAMPLES);
        }
        change.notice
    }

    /// Fills the next block, if there is one.
    pub(in crate::sound) fn take(&mut self, now: Instant, block: &mut Block) -> bool {
        if self.waiting.len() >= BLOCK_SAMPLES {
            let mut samples = self.waiting.drain(..BLOCK_SAMPLES);
            block.fill_with(|| samples.next().unwrap_or_default());
            (self.last, self.is_late) = (now, false);
            return true;
        }
        let late = now.saturating_duration_since(self.last);
        if late <= LATE {
            return false;
        }
        self.last = if late > PAUSE { now - LATE } else { self.last + BLOCK_TIME };
        (*block, self.is_late) = (SILENCE, true);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_device_there_is_silence_at_the_right_pace() {
        let start = crate::clock::now();
        let mut microphone = Microphone::new(None, start);
        let mut blocks_at = |ms| {
            let mut block = [1.0; BLOCK_SAMPLES];
            let now = start + Duration::from_millis(ms);
            let blocks =
                std::iter::from_fn(|| microphone.take(now, &mut block).then_some(())).count();
            assert!(blocks == 0 || block == SILENCE);
            blocks
        };
        assert_eq!([100, 200, 205, 210, 220].map(&mut blocks_at), [0, 0, 1, 0, 1]);
        let blocks: usize = (23..123).map(|tick| blocks_at(tick * 10)).sum();
        assert_eq!(blocks, 100);
        assert!(blocks_at(3_600_000) <= 1, "an hour later");
    }
}
