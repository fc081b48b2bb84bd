//! The echo of a voice through the devices of PulseAudio. It is recorded as a whole and then cleaned, so
//! that a busy machine makes no difference.

use std::io::Write as _;

use super::{
    pulseaudio::PulseAudio,
    testing::{PATIENCE, Program, Recorder},
};
use crate::sound::{
    SAMPLE_RATE,
    testing::{FAR, SECOND, cleaned_of, decibels, power, speech},
};

/// Held by PulseAudio at least, in milliseconds: a busy machine stands still for less.
const LATENCY: u32 = 2000;

/// The first sample that is loud.
fn onset(samples: &[f32], loud: f32) -> Option<usize> {
    samples.iter().position(|sample| sample.abs() > loud)
}

/// By how many samples, 64 at most, one is after the other; `None` where they are not alike.
fn lag(late: &[f32], early: &[f32]) -> Option<usize> {
    let early = &early[64..early.len() - 64];
    let alike = |lag: usize| {
        let late = &late[lag..][..early.len()];
        let product = late.iter().zip(early).map(|(late, early)| late * early).sum::<f32>();
        product / early.len() as f32 / (power(late) * power(early)).sqrt()
    };
    let (lag, alike) = (0..128)
        .map(|lag| (lag, alike(lag)))
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .expect("some");
    (alike > 0.95).then_some(lag)
}

/// A voice, played on a speaker of 44.1 kHz with 6 dB less and recorded 50 ms later. `None` where the
/// machine was so busy that a piece of it is missing.
fn recorded(server: &PulseAudio, far: &[f32]) -> Option<Vec<f32>> {
    let recorder = Recorder::start(server, "speaker", LATENCY);
    let portion = || recorder.portions.recv_timeout(PATIENCE).expect("the device records");
    portion();
    let arguments = ["--device=speaker", &format!("--latency-msec={LATENCY}")];
    let mut player = Program::start(server, "pacat", SAMPLE_RATE, &arguments);
    let bytes: Vec<u8> = far.iter().flat_map(|sample| (sample * 0.5).to_le_bytes()).collect();
    let mut pipe = player.0.stdin.take().unwrap();
    std::thread::spawn(move || pipe.write_all(&bytes));

    let begins = onset(far, 0.02).expect("a voice");
    let mut recorded = Vec::new();
    let start = loop {
        recorded.extend(portion());
        if let Some(start) = onset(&recorded, 0.01) {
            break start.checked_sub(begins)?;
        }
        assert!(recorded.len() < 60 * SECOND, "nothing is heard in a minute");
    };
    while recorded.len() < start + far.len() {
        recorded.extend(portion());
    }
    let heard = &recorded[start..start + far.len()];
    let seconds = heard.chunks_exact(SECOND).zip(far.chunks_exact(SECOND));
    let lags: Vec<usize> = seconds.map(|(heard, far)| lag(heard, far)).collect::<Option<_>>()?;
    // A sample more or less is the resampling.
    let is_whole = lags.iter().all(|lag| lag.abs_diff(lags[0]) <= 2);
    let delay = vec![0.0; 50 * SAMPLE_RATE as usize / 1000];
    is_whole.then(|| [&delay, heard].concat())
}

#[test]
fn an_echo_through_devices_is_gone() {
    let server = PulseAudio::start();
    let far = speech("en-us", FAR, 6);
    // Beside many other tests a device may run dry in each of the first.
    let tries = (0..20).find_map(|_| recorded(&server, &far));
    let near = tries.expect("a whole voice in twenty tries");
    let played = decibels(power(&near[..far.len()]) / power(&far));
    assert!((played + 6.0).abs() < 0.5, "{played} dB");

    let cleaned = cleaned_of(&near, &far);
    let settled = 2 * SECOND..6 * SECOND;
    let less = decibels(power(&near[settled.clone()]) / power(&cleaned[settled]));
    println!("an echo through devices: {less:.1} dB less");
    assert!(less >= 35.0, "{less} dB less");
}
