//! The voice of the cat: it purrs with its breath, and meows now and then.

use std::{f32::consts::TAU, time::Duration};

use meoww_cli::sound::{Block, SAMPLE_RATE};

use super::mood::{BREATH, CYCLE};

/// Beats of a purr a second; cats have 20 to 30.
const PURR: f32 = 26.0;
/// Overtones of it that a small speaker can play, and those below.
const OVERTONES: u32 = 24;
/// When it meows in each cycle, and for how long.
const MEOWS: [(f32, f32); 2] = [(3.5, 0.75), (12.5, 0.95)];
/// The pitch of a meow at its ends, and how far it rises between them.
const PITCH: (f32, f32) = (480.0, 250.0);
/// The resonance of the closed mouth, and how far it rises as the mouth opens.
const MOUTH: (f32, f32) = (650.0, 900.0);

/// The next 10 ms, so long after the cat sat down.
pub fn voice(at: Duration) -> Block {
    let begin = at.as_secs_f64();
    std::array::from_fn(|sample| {
        let at = begin + sample as f64 / f64::from(SAMPLE_RATE);
        // Breaths, purrs and meows all fit whole into this time: phases stay exact for ever.
        let at = (at % (f64::from(CYCLE) * f64::from(BREATH) * 10.0)) as f32;
        purr(at) + meow(at % CYCLE)
    })
}

fn purr(at: f32) -> f32 {
    // Louder while it breathes out.
    let loudness = 0.6 - 0.4 * (at / BREATH * TAU).sin();
    let beat = at * PURR % 1.0;
    let tone = |n: u32| (TAU * (n as f32 * beat + 0.37 * (n * n) as f32)).sin() / (n as f32).sqrt();
    0.02 * loudness * (1..=OVERTONES).map(tone).sum::<f32>()
}

fn meow(at: f32) -> f32 {
    let Some((begin, length)) =
        MEOWS.into_iter().find(|(begin, length)| (*begin..begin + length).contains(&at))
    else {
        return 0.0;
    };
    let since = at - begin;
    let open = (since / length * TAU / 2.0).sin();
    let pitch = PITCH.0 + PITCH.1 * open;
    // The integral of the pitch.
    let risen = PITCH.1 * length * 2.0 / TAU * (1.0 - (since / length * TAU / 2.0).cos());
    let turns = PITCH.0 * since + risen;
    let resonance = MOUTH.0 + MOUTH.1 * open;
    let overtone = |n: u32| {
        let distance = (n as f32 * pitch - resonance) / 500.0;
        (TAU * n as f32 * turns).sin() * (-distance * distance).exp()
    };
    0.2 * open.sqrt() * (1..=8).map(overtone).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute of it.
    fn minute() -> Vec<f32> {
        (0..6_000).flat_map(|block| voice(Duration::from_millis(10 * block))).collect()
    }

    #[test]
    fn it_is_never_too_loud_never_silent_and_does_not_click() {
        let samples = minute();
        assert!(samples.iter().all(|sample| sample.abs() < 0.9));
        let step = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.15, "{step}");
        for second in samples.chunks(48_000) {
            let power = second.iter().map(|s| s * s).sum::<f32>() / 48_000.0;
            assert!((1e-5..0.1).contains(&power), "{power}");
        }
    }

    #[test]
    fn it_meows_between_purrs() {
        let samples = minute();
        let power = |second: f32| {
            let begin = (second * 48_000.0) as usize;
            samples[begin..begin + 9_600].iter().map(|s| s * s).sum::<f32>() / 9_600.0
        };
        assert!(power(3.75) > 10.0 * power(6.0), "{} {}", power(3.75), power(6.0));
    }
}
