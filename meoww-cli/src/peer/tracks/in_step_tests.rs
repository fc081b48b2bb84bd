//! Pictures and sound of one call in virtual time: how far apart they are when they are seen and heard.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::lip_sync::LipSync;
use crate::{
    clock,
    sound::{
        BLOCK_SAMPLES, SILENCE,
        playout::Playout,
        room::{OpusPacket, Received},
    },
};

/// The sender's clock, in NTP time, when ours is at the start.
const START: u64 = 3_900_000_000 << 32;
/// 20 ms of silence (RFC 6716, section 3.1: CELT, full band, one channel).
const FRAME: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// The difference of the two, in seconds.
#[derive(Debug, Clone, Copy)]
struct Network {
    way: f64,
    /// Up to so much more, each packet by itself.
    jitter: f64,
    /// Share of packets of sound that never come; of pictures, one in that many waits for a packet
    /// that is sent again, which takes two ways more.
    loss: f64,
    /// Every picture takes so much longer than sound: made, sent in many packets and decoded.
    picture: f64,
}

/// A thing that the sender made, when it comes, and when it was made.
type Made = (f64, f64);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The sender's clock at a moment of ours.
fn ntp(at: f64) -> u64 {
    START + (at * 2_f64.powi(32)) as u64
}

impl Network {
    /// Those of a kind that come, by when they do.
    fn carry(self, every: f64, number: u32, seed: u64, is_picture: bool) -> Vec<Made> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut before = 0.0_f64;
        let things = (0..number).filter_map(|at| {
            let made = f64::from(at) * every;
            let is_lost = random.random_bool(self.loss);
            let mut comes = made + self.way + random.random_range(0.0..=self.jitter);
            if is_picture {
                comes += self.picture + if is_lost { 2.0 * self.way } else { 0.0 };
                // Decoded in order.
                before = before.max(comes);
                return Some((before, made));
            }
            (!is_lost).then_some((comes + 0.020, made))
        });
        let mut things: Vec<Made> = things.collect();
        things.sort_by(|one, other| one.0.total_cmp(&other.0));
        things
    }

    /// Seconds by which each picture was seen after its sound was heard, from 5 s on, sorted by size.
    fn apart(self, seed: u64) -> Vec<f64> {
        const SECONDS: u32 = 60;
        let start = clock::now();
        let mut voice = self.carry(0.020, 50 * SECONDS, seed, false).into_iter().peekable();
        let mut film = self.carry(1.0 / 30.0, 30 * SECONDS, seed + 1, true).into_iter().peekable();
        let (mut playout, mut sync) = (Playout::new(start).unwrap(), LipSync::default());
        let (mut playing, mut apart) = (None, Vec::new());
        for tick in 0..1000 * SECONDS {
            let now = f64::from(tick) / 1000.0;
            let at = start + seconds(now);
            while let Some((_, made)) = voice.next_if(|(comes, _)| *comes <= now) {
                playout.receive(Received::Packet(packet(made, at)));
            }
            if tick % 1000 == 500 {
                let timestamp = (now * 48_000.0) as u32;
                playout.receive(Received::SenderReport { ntp: ntp(now), timestamp });
                sync.report(ntp(now), (now * 90_000.0) as u32);
            }
            if tick % 10 == 0 {
                playing = playout.playing(at);
                playout.play(at, &mut SILENCE.clone());
            }
            while let Some((_, made)) = film.next_if(|(comes, _)| *comes <= now) {
                let waits = seconds(playout.figures().delay);
                let playing = playing.map(|playing| (playing, waits));
                sync.push((made * 90_000.0) as u32, made, playing, at);
                playout.wait_at_least(sync.sound_waits());
            }
            if let (Some(made), Some(heard)) = (sync.pop(at), playing.filter(|_| now > 5.0)) {
                let heard_made = heard.ntp.wrapping_sub(START) as f64 / 2_f64.powi(32)
                    + at.duration_since(heard.at).as_secs_f64();
                apart.push(heard_made - made);
            }
        }
        apart.sort_by(|one: &f64, other| one.abs().total_cmp(&other.abs()));
        apart
    }
}

fn packet(made: f64, arrived: Instant) -> OpusPacket {
    let number = (made / 0.020).round() as u32;
    let (sequence, timestamp) = (number as u16, number * 2 * BLOCK_SAMPLES as u32);
    OpusPacket { ssrc: 1, sequence, timestamp, payload: Bytes::from_static(&FRAME), arrived }
}

/// The goal is 80 ms for 95 of 100 pictures.
#[test]
fn pictures_are_seen_within_80_ms_of_their_sound() {
    let even = Network { way: 0.040, jitter: 0.0, loss: 0.0, picture: 0.015 };
    let networks = [
        ("even", even),
        ("jitter and loss", Network { jitter: 0.020, loss: 0.05, ..even }),
        ("much jitter", Network { jitter: 0.120, ..even }),
        ("slow pictures", Network { picture: 0.180, jitter: 0.010, ..even }),
        ("far away", Network { way: 0.150, jitter: 0.020, loss: 0.02, ..even }),
    ];
    for (name, network) in networks {
        for seed in 0..3 {
            let apart = network.apart(seed);
            assert!(apart.len() > 1200, "{name}: {} pictures", apart.len());
            let p95 = apart[apart.len() * 95 / 100];
            assert!(p95.abs() <= 0.080, "{name}: {p95} s");
        }
    }
}
