//! Microphones and speakers of a real sound system.
//!
//! Each test runs this program again, in the surroundings of a PulseAudio server of its own.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{Microphone, Speaker, pulseaudio::PulseAudio};
use crate::{
    clock,
    sound::{BLOCK_SAMPLES, Block, SAMPLE_RATE, SILENCE, level::dbfs, testing::pitch},
};

/// Longer than anything here takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// A busy machine leaves gaps, so one whole stretch of 100 ms is enough.
const TONE_SAMPLES: usize = 100 * SAMPLE_RATE as usize / 1000;
/// Tells a test that it runs again, and where the files of its server are.
const FOLDER: &str = "MEOWW_TEST_SOUND_FOLDER";

/// The server, in the process that is to do the work of the test of that name in that module; `None` in the
/// one that waited for it. `adapt` has the last word on the surroundings.
pub(super) fn server(
    module: &str,
    name: &str,
    adapt: impl FnOnce(&PulseAudio, &mut Command),
) -> Option<PulseAudio> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Some(PulseAudio::in_folder(folder));
    }
    let server = PulseAudio::start();
    let program = std::env::current_exe().unwrap();
    let mut again = server.command(program.to_str().unwrap());
    let (_krate, module) = module.split_once("::").unwrap();
    again.args([&format!("{module}::{name}"), "--exact", "--nocapture"]);
    again.env(FOLDER, server.folder());
    adapt(&server, &mut again);
    let output = again.output().unwrap();
    let [said, errors] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
    assert!(!errors.contains("ALSA"), "over the screen: {errors}");
    None
}

pub(super) fn as_it_is(_: &PulseAudio, _: &mut Command) {}

/// 1 kHz at -20 dBFS; 48 samples are a period.
pub(super) fn tone() -> Block {
    let at = |at: usize| (at as f64 / 48.0 * std::f64::consts::TAU).sin() * 0.1 * 2_f64.sqrt();
    std::array::from_fn(|sample| at(sample) as f32)
}

/// A program of PulseAudio that reads or writes samples; it ends with this.
pub(super) struct Program(pub(super) Child);

impl Program {
    /// Samples are floats of one channel, at `rate`.
    pub(super) fn start(server: &PulseAudio, name: &str, rate: u32, arguments: &[&str]) -> Self {
        let mut command = server.command(name);
        command.args(["--raw", "--channels=1", "--format=float32le", &format!("--rate={rate}")]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another program that records what a speaker plays, at 48 kHz.
pub(super) struct Recorder {
    _program: Program,
    /// Portions of 10 ms.
    pub(super) portions: mpsc::Receiver<Vec<f32>>,
}

impl Recorder {
    pub(super) fn start(server: &PulseAudio, speaker: &str, latency_ms: u32) -> Self {
        let device = format!("--device={speaker}.monitor");
        let latency = format!("--latency-msec={latency_ms}");
        let mut program = Program::start(server, "parec", SAMPLE_RATE, &[&device, &latency]);
        let mut pipe = program.0.stdout.take().unwrap();
        let (sender, portions) = mpsc::sync_channel(10_000);
        std::thread::spawn(move || {
            let mut bytes = [0; 4 * BLOCK_SAMPLES];
            while pipe.read_exact(&mut bytes).is_ok() {
                let samples =
                    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                if sender.send(samples.collect()).is_err() {
                    return;
                }
            }
        });
        Self { _program: program, portions }
    }
}

/// Another program that hears what is played on a speaker.
pub(super) struct Listener {
    recorder: Recorder,
    heard: Vec<f32>,
}

impl Listener {
    pub(super) fn start(server: &PulseAudio, speaker: &str) -> Self {
        Self { recorder: Recorder::start(server, speaker, 20), heard: Vec::new() }
    }

    /// Whether [`tone`] was heard since the last call.
    pub(super) fn hears_tone(&mut self) -> bool {
        self.heard.extend(self.recorder.portions.try_iter().flatten());
        takes_tone(&mut self.heard)
    }
}

/// Another program that plays [`tone`] on a speaker, at 44.1 kHz.
pub(super) fn player(server: &PulseAudio, speaker: &str) -> Program {
    let device = format!("--device={speaker}");
    let mut program = Program::start(server, "pacat", 44_100, &[&device, "--latency-msec=50"]);
    let mut pipe = program.0.stdin.take().unwrap();
    std::thread::spawn(move || {
        let at = |at: usize| (at as f64 / 44.1 * std::f64::consts::TAU).sin() * 0.1 * 2_f64.sqrt();
        // 441 samples are ten periods.
        let bytes: Vec<u8> =
            (0..441).flat_map(|sample| (at(sample) as f32).to_le_bytes()).collect();
        while pipe.write_all(&bytes).is_ok() {}
    });
    program
}

/// Calls `step` whenever a device has worked, or 10 ms have passed, until it has a result.
pub(super) fn until<T>(mut step: impl FnMut(Instant) -> Option<T>) -> T {
    let start = clock::now();
    loop {
        let now = clock::now();
        if let Some(result) = step(now) {
            return result;
        }
        assert!(now - start < PATIENCE, "nothing came of it");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

pub(super) fn play(speaker: &mut Speaker, now: Instant) -> Option<String> {
    let notice = speaker.poll(now);
    while speaker.is_due(now) {
        speaker.put(&tone());
    }
    notice
}

/// Whether there is a stretch of [`tone`] in samples; takes those that are judged.
pub(super) fn takes_tone(samples: &mut Vec<f32>) -> bool {
    let is_tone = |stretch: &[f32]| {
        stretch.chunks(BLOCK_SAMPLES).all(|block| (dbfs(block) + 20.0).abs() < 0.5)
            && (pitch(stretch) - 1000.0).abs() < 1.0
    };
    let mut starts =
        (0..).step_by(BLOCK_SAMPLES).take_while(|at| at + TONE_SAMPLES <= samples.len());
    let is_found = starts.any(|at| is_tone(&samples[at..][..TONE_SAMPLES]));
    samples.drain(..samples.len().saturating_sub(TONE_SAMPLES));
    is_found
}

/// Polls the microphone: its notice, and whether it hears [`tone`].
pub(super) fn hear(microphone: &mut Microphone, now: Instant) -> (Option<String>, bool) {
    let notice = microphone.poll(now, true);
    let (mut block, mut is_heard) = (SILENCE, false);
    while microphone.take(now, &mut block) {
        is_heard = dbfs(&block) > -21.0;
    }
    (notice, is_heard)
}
