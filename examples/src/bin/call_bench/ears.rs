//! From mouth to ear: a mouth that clicks at every half second of the wall clock, which all processes
//! of a machine share, and an ear that looks at that clock when it hears a click.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use meoww_cli::sound::{BLOCK_SAMPLES, Block, SAMPLE_RATE};

/// Samples of the wall clock from one click to the next.
const EVERY: u64 = SAMPLE_RATE as u64 / 2;
/// Of a click, in samples: 4 ms of 1 kHz, which the codec of voices keeps.
const CLICK: u64 = 192;
/// Loudness of a click, what of it counts as heard, and a hum that keeps the encoder from pausing.
const LOUD: f32 = 0.5;
const CLICK_HEARD: f32 = 0.15;
const HUM: f32 = 0.01;
/// Samples after a click in which there is no other.
const DEAF: u64 = EVERY / 4;
/// Samples from one soft click to the next, between those: 50 ms. Decoders make up the hum for as long as
/// nothing comes, but not these.
const SOFT_EVERY: u64 = EVERY / 10;
const SOFT: f32 = 0.06;
/// Loudness of what is taken for silence.
const SILENT: f32 = SOFT / 2.0;
/// Samples of silence from which it counts: 200 ms.
const SILENCE: u64 = SAMPLE_RATE as u64 / 5;

/// The sound heard since the last [`take`].
#[derive(Default)]
pub(crate) struct Heard {
    /// When each click was heard, and the milliseconds from mouth to ear.
    pub(crate) latencies_ms: Vec<(Instant, f64)>,
    /// When each silence was over, by [`wall_ms`].
    pub(crate) resumed_ms: Vec<f64>,
    /// In samples since the epoch.
    last_click: u64,
    last_sound: Option<u64>,
}

static HEARD: Mutex<Option<Heard>> = Mutex::new(None);

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
        let click = match since {
            ..CLICK => LOUD,
            _ if since % SOFT_EVERY < CLICK => SOFT,
            _ => 0.0,
        };
        HUM * tone(200) + click * tone(1_000)
    })
}

/// Milliseconds since the epoch.
pub(crate) fn wall_ms() -> f64 {
    samples_to_ms(wall())
}

fn samples_to_ms(samples: u64) -> f64 {
    samples as f64 * 1e3 / f64::from(SAMPLE_RATE)
}

/// The 10 ms that begin now, as a speaker would play them.
pub(crate) fn ear(block: &Block) {
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    heard.get_or_insert_default().hear(wall(), block);
}

impl Heard {
    #[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
    fn hear(&mut self, begin: u64, block: &Block) {
        for (at, sample) in block.iter().enumerate() {
            let now = begin + at as u64;
            if sample.abs() > CLICK_HEARD && now > self.last_click + DEAF {
                self.last_click = now;
                self.latencies_ms.push((Instant::now(), samples_to_ms(now % EVERY)));
            }
            if sample.abs() > SILENT {
                let silence =
                    self.last_sound.replace(now).map_or(0, |last| now.saturating_sub(last));
                if silence > SILENCE {
                    self.resumed_ms.push(samples_to_ms(now));
                }
            }
        }
    }
}

/// The sound heard since the last call.
pub(crate) fn take() -> Heard {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
}
