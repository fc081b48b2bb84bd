//! From blocks of one's own sound to frames to be sent.

use std::time::{Duration, Instant};

use super::{
    BLOCK_SAMPLES, Block, SoundError,
    codec::{Encoder, FRAME_SAMPLES},
    room::OpusFrame,
};

/// The time of a frame.
const FRAME_TIME: Duration = Duration::from_millis(20);

/// The sending half of one room.
pub(crate) struct Capture {
    encoder: Encoder,
    frame: [f32; FRAME_SAMPLES],
    /// Samples in `frame`.
    filled: usize,
    timestamp: u32,
    /// Whether the last frame was not sent.
    was_silent: bool,
}

impl Capture {
    /// # Errors
    ///
    /// When there is no memory for the codec.
    pub(crate) fn new() -> Result<Self, SoundError> {
        let (frame, was_silent) = ([0.0; FRAME_SAMPLES], true);
        Ok(Self { encoder: Encoder::new()?, frame, filled: 0, timestamp: 0, was_silent })
    }

    /// Aims at so many bits a second, on a path that loses so many percent of packets.
    pub(crate) fn adapt(&mut self, bps: u32, loss_percent: u8) {
        self.encoder.adapt(bps, loss_percent);
    }

    /// Takes a block that ends `now`; returns a frame with every second one, unless there is silence.
    pub(crate) fn push(&mut self, now: Instant, block: &Block) -> Option<OpusFrame> {
        let frame = self.frame[self.filled..].iter_mut();
        frame.zip(block).for_each(|(to, sample)| *to = sample.clamp(-1.0, 1.0));
        self.filled += BLOCK_SAMPLES;
        if self.filled < FRAME_SAMPLES {
            return None;
        }
        self.filled = 0;
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(FRAME_SAMPLES as u32);
        let payload = self.encoder.encode(&self.frame);
        let starts_talk = std::mem::replace(&mut self.was_silent, payload.is_none());
        let captured = now.checked_sub(FRAME_TIME).unwrap_or(now);
        Some(OpusFrame { captured, timestamp, starts_talk, payload: payload? })
    }
}

/// The switch between a microphone and the encoder.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: bool,
}

impl Gate {
    /// Silences the block unless the gate is open. The block in which it opens or closes was recorded
    /// around that moment; 2.5 ms of it fade, which is too short to understand and no click.
    pub(crate) fn pass(&mut self, block: &mut Block, is_open: bool) {
        const FADE: usize = 120;
        let was_open = std::mem::replace(&mut self.is_open, is_open);
        let share = |at: usize| (at as f32 + 0.5) / FADE as f32;
        match (was_open, is_open) {
            (true, true) => {}
            (false, false) => block.fill(0.0),
            (false, true) => {
                block[..FADE].iter_mut().enumerate().for_each(|(at, s)| *s *= share(at));
            }
            (true, false) => {
                block[..FADE].iter_mut().enumerate().for_each(|(at, s)| *s *= 1.0 - share(at));
                block[FADE..].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, sound::pace::BLOCK_TIME};

    fn tone(at: usize) -> Block {
        std::array::from_fn(|sample| 0.1 * ((at * BLOCK_SAMPLES + sample) as f32 * 0.06).sin())
    }

    #[test]
    fn a_frame_comes_with_every_second_block() {
        let (mut capture, start) = (Capture::new().unwrap(), clock::now());
        let end = |at: usize| start + BLOCK_TIME * (at + 1) as u32;
        let frames: Vec<_> = (0..100).map(|at| capture.push(end(at), &tone(at))).collect();
        assert!(frames.iter().step_by(2).all(Option::is_none));
        let sent: Vec<OpusFrame> = frames.into_iter().flatten().collect();
        assert_eq!(sent.len(), 50);
        let timestamps = sent.iter().map(|frame| frame.timestamp);
        assert!(timestamps.eq((0..50).map(|frame| frame * 960)));
        let captured = sent.iter().map(|frame| frame.captured);
        assert!(captured.eq((0..50).map(|frame| start + FRAME_TIME * frame)));
        assert!(sent.iter().map(|frame| frame.starts_talk).eq((0..50).map(|frame| frame == 0)));
    }

    #[test]
    fn silence_is_hardly_sent_and_talk_after_it_is_marked() {
        let mut capture = Capture::new().unwrap();
        let mut push = |blocks: std::ops::Range<usize>, is_loud: bool| -> Vec<OpusFrame> {
            let block = |at| if is_loud { tone(at) } else { [0.0; BLOCK_SAMPLES] };
            blocks.filter_map(|at| capture.push(clock::now(), &block(at))).collect()
        };
        push(0..100, true);
        push(100..200, false);
        let silence = push(200..600, false);
        // Of 200 frames of 20 ms, one in 400 ms (RFC 7587, section 3.1.3 and libopus).
        assert!((5..=20).contains(&silence.len()), "{} frames of silence", silence.len());
        let talk = push(600..700, true);
        assert_eq!(talk.len(), 50);
        assert!(talk[0].starts_talk && !talk[1].starts_talk);
        assert_eq!(talk[0].timestamp, 300 * 960);
    }

    #[test]
    fn a_gate_closes_at_once() {
        let (mut gate, mut block) = (Gate::default(), [1.0; BLOCK_SAMPLES]);
        gate.pass(&mut block, false);
        assert_eq!(block, [0.0; BLOCK_SAMPLES]);
        block.fill(1.0);
        gate.pass(&mut block, true);
        assert!(block[0] < 0.01 && block[120] == 1.0);
        gate.pass(&mut block, false);
        assert!(block[119] < 0.01 && block[120..].iter().all(|sample| *sample == 0.0));
        assert!(block.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.01), "no click");
    }
}
