//! Two programs that hear each other.

use std::path::Path;

use serde_json::Value;

use crate::{headless::Script, server::Server, user::User};

/// Samples of a WAV file of 48 kHz, one channel and 16 bits.
pub(crate) fn samples(file: &Path) -> Vec<f64> {
    let mut wav = hound::WavReader::open(file).expect("a WAV file");
    let spec = wav.spec();
    assert_eq!((spec.sample_rate, spec.channels, spec.bits_per_sample), (48_000, 1, 16));
    wav.samples::<i16>().map(|sample| f64::from(sample.expect("whole")) / 32_768.0).collect()
}

/// The longest part in which each 10 ms are louder than -40 dBFS.
pub(crate) fn loud(samples: &[f64]) -> &[f64] {
    let is_loud = |block: &[f64]| block.iter().map(|s| s * s).sum::<f64>() / 480.0 > 1e-4;
    let (mut longest, mut begin) = (0..0, 0);
    for (at, block) in samples.chunks_exact(480).enumerate() {
        if !is_loud(block) {
            begin = (at + 1) * 480;
        } else if (at + 1) * 480 - begin > longest.len() {
            longest = begin..(at + 1) * 480;
        }
    }
    &samples[longest]
}

/// The pitch of a tone in Hz: that of the middle one of parts of 100 ms, as a busy machine makes gaps.
pub(crate) fn pitch(samples: &[f64]) -> f64 {
    median(samples.chunks_exact(4_800).map(pitch_of_part))
}

/// By whole periods, and the time they take.
fn pitch_of_part(samples: &[f64]) -> f64 {
    let rises = samples.windows(2).enumerate().filter(|(_, s)| s[0] < 0.0 && s[1] >= 0.0);
    let times: Vec<f64> = rises.map(|(at, s)| at as f64 + s[0] / (s[0] - s[1])).collect();
    let [first, .., last] = times[..] else { return 0.0 };
    (times.len() - 1) as f64 * 48_000.0 / (last - first)
}

/// The level in dBFS, likewise.
pub(crate) fn dbfs(samples: &[f64]) -> f64 {
    let power = |part: &[f64]| part.iter().map(|s| s * s).sum::<f64>() / part.len() as f64;
    median(samples.chunks_exact(4_800).map(|part| 10.0 * power(part).log10()))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Until sound is whole: a machine that is busy with other tests has gaps of its own.
const MOST_SECONDS: u32 = 120;

/// Waits until a program has heard and sent sound for two seconds without a gap: its partner's at this
/// level in dBFS, its own at -20.
pub(crate) fn hears_well(script: &Script, level: i64) {
    let figure = |stats: &Value, name| stats["sound"][name].as_i64().expect("a number");
    let (mut well, mut concealed, mut last) = (0, -1, Value::Null);
    for _ in 0..MOST_SECONDS {
        let stats = script.wait_for("stats");
        let is_near = |name, level: i64| (figure(&stats, name) - level).abs() <= 3;
        let is_whole = figure(&stats, "concealedMs") == concealed;
        concealed = figure(&stats, "concealedMs");
        let levels = is_near("outputDbfs", level) && is_near("inputDbfs", -20);
        well = if levels && is_whole { well + 1 } else { 0 };
        if well == 3 {
            return;
        }
        last = stats;
    }
    panic!("not heard at {level} dBFS without a gap: {last}");
}

#[test]
fn a_tone_is_heard_on_both_sides_until_it_is_muted() {
    let server = Server::start();
    let users = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let folder = tempfile::tempdir().expect("a folder");
    let heard = ["anna.wav", "bert.wav"].map(|name| folder.path().join(name));
    let start = |who: usize| {
        let out = heard[who].to_str().expect("a path");
        let arguments = ["--camera", "pattern", "--audio", "tone", "--audio-out", out];
        Script::start(&users[who], &arguments)
    };
    let mut anna = start(0);
    anna.wait_for("searching");
    let mut bert = start(1);
    for script in [&anna, &bert] {
        script.wait_for("first-frame");
        hears_well(script, -20);
    }
    anna.say(r#"{"command":"mute"}"#);
    let own = anna.wait_for("sound");
    assert_eq!((&own["fromSelf"], &own["on"]), (&true.into(), &false.into()));
    let told = bert.wait_for("sound");
    assert_eq!((&told["fromSelf"], &told["on"]), (&false.into(), &false.into()));
    let quiet = |stats: &Value| stats["sound"]["outputDbfs"].as_i64().expect("a number") < -50;
    let mut stats = std::iter::repeat_with(|| bert.wait_for("stats"));
    stats.find(quiet).expect("endless");
    for script in [&mut anna, &mut bert] {
        script.say(r#"{"command":"leave"}"#);
        assert_eq!(script.ended(), 0);
    }
    for file in &heard {
        let samples = samples(file);
        let tone = loud(&samples);
        assert!(tone.len() > 48_000, "{} samples of a tone in {}", tone.len(), samples.len());
        let pitch = pitch(tone);
        assert!((pitch - 440.0).abs() < 4.4, "{pitch} Hz");
    }
}
