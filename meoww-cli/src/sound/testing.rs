//! A call in virtual time: sound of one side, a path that loses and delays, and what the other hears.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::{
    BLOCK_SAMPLES, Block, SILENCE,
    capture::Capture,
    playout::{Playout, PlayoutFigures},
    room::{OpusFrame, OpusPacket, Received},
};
use crate::clock;

/// What lies between the two.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Path {
    /// The share of packets that are lost.
    pub(super) loss: f64,
    /// Packets are delayed by up to so many seconds more than others, each by itself.
    pub(super) jitter: f64,
    /// By how many millionths the sender's clock is slower.
    pub(super) ppm: f64,
    pub(super) seed: u64,
}

/// Seconds that every packet takes.
const WAY: f64 = 0.040;

/// What was heard.
pub(super) struct Heard {
    pub(super) samples: Vec<f32>,
    pub(super) figures: PlayoutFigures,
    /// Of each block: the smoothed delay and its target, in seconds.
    pub(super) delays: Vec<(f64, f64)>,
}

impl Path {
    /// Carries frames, the first of which is sent at once; the other side hears `blocks`.
    pub(super) fn carry(self, frames: impl Iterator<Item = OpusFrame>, blocks: usize) -> Heard {
        let mut random = SmallRng::seed_from_u64(self.seed);
        let start = crate::clock::now();
        let mut frames = frames.enumerate().peekable();
        let mut under_way: Vec<(f64, OpusPacket)> = Vec::new();
        let mut playout = Playout::new(start).unwrap();
        let (mut samples, mut delays) = (Vec::new(), Vec::new());
        for block in 0..blocks {
            let now = block as f64 * 0.01;
            let sent_at =
                |frame: &OpusFrame| f64::from(frame.timestamp) / 48_000.0 * (1.0 + self.ppm * 1e-6);
            while let Some((at, frame)) = frames.next_if(|(_, frame)| sent_at(frame) <= now) {
                let arrives = sent_at(&frame) + WAY + random.random_range(0.0..=self.jitter);
                if !random.random_bool(self.loss) {
                    under_way.push((arrives, packet(at, frame, start + seconds(arrives))));
                }
            }
            under_way.sort_by(|one, other| one.0.total_cmp(&other.0));
            let arrived = under_way.partition_point(|(arrives, _)| *arrives <= now);
            for (_, packet) in under_way.drain(..arrived) {
                playout.receive(Received::Packet(packet));
            }
            let mut block = SILENCE;
            playout.play(start + seconds(now), &mut block);
            samples.extend(block);
            let figures = playout.figures();
            delays.push((figures.delay, figures.target));
        }
        Heard { samples, figures: playout.figures(), delays }
    }
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(super) fn packet(at: usize, frame: OpusFrame, arrived: Instant) -> OpusPacket {
    let (sequence, timestamp) = ((at as u16).wrapping_add(60_000), frame.timestamp);
    let timestamp = timestamp.wrapping_add(0xffff_0000);
    OpusPacket { ssrc: 7, sequence, timestamp, payload: frame.payload, arrived }
}

/// Frames of samples, until they end.
pub(super) fn encoded(samples: &[f32]) -> Vec<OpusFrame> {
    let mut capture = Capture::new().unwrap();
    capture.adapt(32_000, 5);
    let blocks = samples.chunks_exact(BLOCK_SAMPLES);
    blocks
        .filter_map(|block| {
            let block: &Block = block.try_into().unwrap();
            capture.push(clock::now(), block)
        })
        .collect()
}

/// The tone of `--audio tone`.
pub(super) fn tone(seconds: usize) -> Vec<f32> {
    let turns = 440.0 / 48_000.0 * std::f64::consts::TAU;
    (0..seconds * 48_000).map(|at| (0.141_421 * (at as f64 * turns).sin()) as f32).collect()
}

/// Hertz of a tone, by its zero crossings.
pub(super) fn pitch(samples: &[f32]) -> f64 {
    let rises = samples.windows(2).enumerate().filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0);
    let moments: Vec<f64> = rises
        .map(|(at, pair)| at as f64 + f64::from(pair[0]) / f64::from(pair[0] - pair[1]))
        .collect();
    let (first, last) = (moments[0], moments[moments.len() - 1]);
    (moments.len() - 1) as f64 * 48_000.0 / (last - first)
}

/// How sharp the sharpest corner is: the largest second difference.
pub(super) fn corner(samples: &[f32]) -> f32 {
    samples.windows(3).map(|s| (s[0] - 2.0 * s[1] + s[2]).abs()).fold(0.0, f32::max)
}

/// The longest time in ms that is softer than `dbfs`.
pub(super) fn longest_silence(samples: &[f32], dbfs: f32) -> usize {
    let (mut longest, mut current) = (0, 0);
    // 2.5 ms are more than a period of 440 Hz.
    for piece in samples.chunks(120) {
        current = if super::level::dbfs(piece) < dbfs { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    longest * 5 / 2
}
