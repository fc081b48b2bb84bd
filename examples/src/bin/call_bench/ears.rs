//! From mouth to ear: a mouth that clicks at every half second of the wall clock, which all processes
//! of a machine share, and an ear that looks at that clock when it hears a click.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use meoww_cli::sound::{BLOCK_SAMPLES, Block, SAMPLE_RATE};

/// Samples of the wall clock from one click to the next.
const EVERY: u64 = SAMPLE_RATE as u64 / 2;
/// Of a click, in samples: 4 ms of 1 kHz, which the codec of voices keeps.
const CLICK: u64 = 192;
/// Loudness of a click, what of it counts as heard, and a hum that keeps the encoder from pausing.
const LOUD: f32 = 0.5;
const HEARD: f32 = 0.15;
const HUM: f32 = 0.01;
/// Samples after a click in which there is no other.
const DEAF: u64 = EVERY / 4;

/// The clicks heard since the last [`take`].
static LATENCIES_MS: Mutex<(u64, Vec<f64>)> = Mutex::new((0, Vec::new()));

/// Samples since the epoch.
#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000) as u64
}

/// The 10 ms that end now, as a microphone would have them.
pub(crate) fn mouth(_: Duration) -> Block {
    let begin = wall() - BLOCK_SAMPLES as u64;
    std::array::from_fn(|at| {
        let since = (begin + at as u64) % EVERY;
        let tone = |hertz: u64| {
            (since as f32 * hertz as f32 / SAMPLE_RATE as f32 * std::f32::consts::TAU).sin()
        };
        HUM * tone(200) + if since < CLICK { LOUD * tone(1_000) } else { 0.0 }
    })
}

/// The 10 ms that begin now, as a speaker would play them.
pub(crate) fn ear(block: &Block) {
    let begin = wall();
    let mut heard = LATENCIES_MS.lock().unwrap_or_else(PoisonError::into_inner);
    let (last, latencies) = &mut *heard;
    for (at, sample) in block.iter().enumerate() {
        let now = begin + at as u64;
        if sample.abs() > HEARD && now > *last + DEAF {
            *last = now;
            latencies.push((now % EVERY) as f64 * 1e3 / f64::from(SAMPLE_RATE));
        }
    }
}

/// Milliseconds from mouth to ear, one a click that was heard, since the last call.
pub(crate) fn take() -> Vec<f64> {
    let mut heard = LATENCIES_MS.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut heard.1)
}
