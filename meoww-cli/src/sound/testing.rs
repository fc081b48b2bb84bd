//! A call in virtual time: sound of one side, a path that loses and delays, and the ears of the other.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::{
    BLOCK_SAMPLES, Block, SAMPLE_RATE, SILENCE,
    capture::Capture,
    figures::PlayoutFigures,
    playout::Playout,
    process::Processor,
    resample::Resampler,
    room::{OpusFrame, OpusPacket, Received},
};
use crate::clock;

/// The network between the two sides.
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

/// The sound that came out, and how it got there.
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

/// Of some 12 s.
pub(super) const FAR: &str = "Are you in the kitchen? I can hear the kettle. It is raining here since the morning, \
     and the cat sits at the window. She watches the pigeons on the roof of the house next door. \
     Nothing else has happened today, but tomorrow my sister comes, and she brings her dog.";
pub(super) const SECOND: usize = SAMPLE_RATE as usize;

/// Speech made by espeak-ng, of so many seconds, begun again if it is shorter, at -26 dBFS.
pub(super) fn speech(voice: &str, text: &str, seconds: usize) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speech.wav");
    let made = Command::new("espeak-ng").args(["-v", voice, "-w"]).arg(&path).arg(text).status();
    assert!(made.expect("espeak-ng; scripts/setup test installs it").success());
    let file = std::fs::read(&path).unwrap();
    let number = |at| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(&file[36..40], b"data", "mono, 16 bit, nothing but sound");
    let samples: Vec<f32> = file[44..]
        .chunks_exact(2)
        .map(|sample| f32::from(i16::from_le_bytes([sample[0], sample[1]])) / 32_768.0)
        .collect();
    let mut speech = Vec::new();
    Resampler::new(number(24), SAMPLE_RATE).unwrap().process(&samples, &mut speech);
    let speech: Vec<f32> = speech.iter().copied().cycle().take(seconds * SECOND).collect();
    let gain = 0.05 / power(&speech).sqrt();
    speech.iter().map(|sample| sample * gain).collect()
}

pub(super) fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
}

pub(super) fn decibels(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}

/// The samples of a microphone, cleaned of the echo of those of a speaker.
pub(super) fn cleaned_of(near: &[f32], far: &[f32]) -> Vec<f32> {
    let mut processor = Processor::default();
    let mut cleaned = Vec::new();
    for (near, far) in near.chunks_exact(BLOCK_SAMPLES).zip(far.chunks_exact(BLOCK_SAMPLES)) {
        let mut block: Block = near.try_into().unwrap();
        processor.process(&mut block, far.try_into().unwrap());
        cleaned.extend_from_slice(&block);
    }
    cleaned
}

/// Numbers between -1 and 1, the same each time.
pub(super) fn noise() -> impl Iterator<Item = f32> {
    let mut state = 1_u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    })
}
