//! Microphones and speakers of a real sound system.
//!
//! Each test runs this program again, in the surroundings of a PulseAudio server of its own.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{pulseaudio::PulseAudio, *};
use crate::{
    clock,
    sound::{BLOCK_SAMPLES, Block, SAMPLE_RATE, SILENCE, level::dbfs, testing::pitch},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// What is judged of a tone: 300 ms.
const TONE_SAMPLES: usize = 300 * SAMPLE_RATE as usize / 1000;
/// Tells a test that it runs again, and where the files of its server are.
const FOLDER: &str = "MEOWW_TEST_SOUND_FOLDER";

/// The server, in the process that is to do the work of the test of that name; `None` in the one that
/// waited for it. `adapt` has the last word on the surroundings.
fn server(name: &str, adapt: impl FnOnce(&PulseAudio, &mut Command)) -> Option<PulseAudio> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Some(PulseAudio::in_folder(folder));
    }
    let server = PulseAudio::start();
    let program = std::env::current_exe().unwrap();
    let mut again = server.command(program.to_str().unwrap());
    again.args([&format!("sound::device::tests::{name}"), "--exact", "--nocapture"]);
    again.env(FOLDER, server.folder());
    adapt(&server, &mut again);
    let output = again.output().unwrap();
    let [said, errors] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
    assert!(!errors.contains("ALSA"), "over the screen: {errors}");
    None
}

fn as_it_is(_: &PulseAudio, _: &mut Command) {}

/// 1 kHz at -20 dBFS; 48 samples are a period.
fn tone() -> Block {
    let at = |at: usize| (at as f64 / 48.0 * std::f64::consts::TAU).sin() * 0.1 * 2_f64.sqrt();
    std::array::from_fn(|sample| at(sample) as f32)
}

/// What is played on a speaker, as another program hears it.
struct Listener {
    child: Child,
    samples: mpsc::Receiver<Vec<f32>>,
    heard: Vec<f32>,
}

impl Listener {
    fn start(server: &PulseAudio, speaker: &str) -> Self {
        let mut child = server
            .command("parec")
            .args(["--raw", "--rate=48000", "--channels=1", "--format=float32le"])
            .args(["--latency-msec=20", &format!("--device={speaker}.monitor")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut pipe, (sender, samples)) =
            (child.stdout.take().unwrap(), mpsc::sync_channel(10_000));
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
        Self { child, samples, heard: Vec::new() }
    }

    /// Whether the last 300 ms were [`tone`].
    fn hears_tone(&mut self) -> bool {
        self.heard.extend(self.samples.try_iter().flatten());
        ends_with_tone(&self.heard)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another program that plays [`tone`] on a speaker, at 44.1 kHz.
fn player(server: &PulseAudio, speaker: &str) -> Child {
    let mut child = server
        .command("pacat")
        .args(["--raw", "--rate=44100", "--channels=1", "--format=float32le"])
        .args(["--latency-msec=50", &format!("--device={speaker}")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::spawn(move || {
        let at = |at: usize| (at as f64 / 44.1 * std::f64::consts::TAU).sin() * 0.1 * 2_f64.sqrt();
        // 441 samples are ten periods.
        let bytes: Vec<u8> =
            (0..441).flat_map(|sample| (at(sample) as f32).to_le_bytes()).collect();
        while pipe.write_all(&bytes).is_ok() {}
    });
    child
}

/// Calls `step` whenever a device has worked, or 10 ms have passed, until it has a result.
fn until<T>(mut step: impl FnMut(Instant) -> Option<T>) -> T {
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

fn play(speaker: &mut Speaker, now: Instant) -> Option<String> {
    let notice = speaker.poll(now);
    while speaker.is_due(now) {
        speaker.put(&tone());
    }
    notice
}

/// A busy machine leaves gaps, so one whole stretch is enough.
fn ends_with_tone(samples: &[f32]) -> bool {
    let Some(start) = samples.len().checked_sub(TONE_SAMPLES) else { return false };
    let last = &samples[start..];
    let is_level = last.chunks(BLOCK_SAMPLES).all(|block| (dbfs(block) + 20.0).abs() < 0.5);
    is_level && (pitch(last) - 1000.0).abs() < 1.0
}

fn a_tone_is_played(server: &PulseAudio, name: Option<&str>) {
    let mut listener = Listener::start(server, "speaker");
    let mut speaker = Speaker::new(name.map(str::to_owned), clock::now());
    until(|now| {
        assert_eq!(play(&mut speaker, now), None);
        listener.hears_tone().then_some(())
    });
}

#[test]
fn a_tone_is_played_by_pulseaudio() {
    if let Some(server) = server("a_tone_is_played_by_pulseaudio", as_it_is) {
        a_tone_is_played(&server, Some("speaker"));
    }
}

#[test]
fn a_tone_is_played_by_alsa() {
    if let Some(server) = server("a_tone_is_played_by_alsa", PulseAudio::through_alsa) {
        a_tone_is_played(&server, None);
    }
}

fn a_tone_is_recorded(server: &PulseAudio, name: Option<&str>) {
    let mut player = player(server, "room");
    let mut microphone = Microphone::new(name.map(str::to_owned), clock::now());
    let mut recorded: Vec<f32> = Vec::new();
    until(|now| {
        assert_eq!(microphone.poll(now, true), None);
        let mut block = SILENCE;
        while microphone.take(now, &mut block) {
            recorded.extend(block);
        }
        ends_with_tone(&recorded).then_some(())
    });
    let _ = player.kill();
    let _ = player.wait();
}

#[test]
fn a_tone_is_recorded_by_pulseaudio() {
    if let Some(server) = server("a_tone_is_recorded_by_pulseaudio", as_it_is) {
        a_tone_is_recorded(&server, Some("microphone"));
    }
}

#[test]
fn a_tone_is_recorded_by_alsa() {
    if let Some(server) = server("a_tone_is_recorded_by_alsa", PulseAudio::through_alsa) {
        a_tone_is_recorded(&server, None);
    }
}

/// A desktop shows which programs record.
#[test]
fn a_microphone_is_held_while_it_is_wanted() {
    let Some(server) = server("a_microphone_is_held_while_it_is_wanted", as_it_is) else { return };
    let outputs = || server.pactl(&["list", "source-outputs", "short"]).lines().count();
    // That of the microphone, which is made of another.
    let at_rest = outputs();
    let is_held = || outputs() > at_rest;
    let mut player = player(&server, "room");
    let mut microphone = Microphone::new(None, clock::now());
    assert_eq!(microphone.poll(clock::now(), false), None);
    assert!(!is_held());
    until(|now| hear(&mut microphone, now).1.then_some(()));
    assert!(is_held());
    // From one partner to the next.
    microphone.poll(clock::now() + Duration::from_secs(9), false);
    until(|now| hear(&mut microphone, now).1.then_some(()));
    let later = Duration::from_secs(60);
    microphone.poll(clock::now() + later, false);
    until(|_| (!is_held()).then_some(()));
    until(|now| hear(&mut microphone, now + later).1.then_some(()));
    let _ = player.kill();
    let _ = player.wait();
}

#[test]
fn devices_are_found_by_name() {
    let Some(server) = server("devices_are_found_by_name", as_it_is) else { return };
    let names = |kind| -> Vec<_> {
        list(kind).unwrap().into_iter().map(|d| (d.name, d.is_default, d.is_monitor)).collect()
    };
    let device = |name: &str, is_default, is_monitor| (name.to_owned(), is_default, is_monitor);
    assert_eq!(
        names(Kind::Speaker),
        [device("speaker", true, false), device("room", false, false)]
    );
    assert_eq!(
        names(Kind::Microphone),
        [
            device("speaker.monitor", false, true),
            device("room.monitor", false, true),
            device("microphone", true, false)
        ]
    );
    assert_eq!(find(Kind::Microphone, "Micro").unwrap().name, "microphone");
    let refused = find(Kind::Speaker, "headset").unwrap_err().to_string();
    assert!(
        refused.starts_with("There is no speaker \"headset\". There are speaker, room."),
        "{refused}"
    );
    // What a speaker plays is no microphone unless it is named.
    server.pactl(&["unload-module", "module-remap-source"]);
    assert!(list(Kind::Microphone).unwrap().iter().all(|device| !device.is_default));
}

#[test]
fn unplugging_goes_on_with_the_default() {
    let Some(server) = server("unplugging_goes_on_with_the_default", as_it_is) else { return };
    let headset = server.pactl(&["load-module", "module-null-sink", "sink_name=headset"]);
    let source = "source_name=boom";
    let boom = server.pactl(&["load-module", "module-remap-source", "master=room.monitor", source]);

    let mut speaker = Speaker::new(Some("headset".to_owned()), clock::now());
    let mut on_headset = Listener::start(&server, "headset");
    until(|now| {
        assert_eq!(play(&mut speaker, now), None);
        on_headset.hears_tone().then_some(())
    });
    let mut microphone = Microphone::new(Some("boom".to_owned()), clock::now());
    let mut player = player(&server, "room");
    until(|now| {
        play(&mut speaker, now);
        hear(&mut microphone, now).1.then_some(())
    });

    // Time enough that it is no device that breaks at once.
    let later = Duration::from_secs(60);
    let mut on_speaker = Listener::start(&server, "speaker");
    server.pactl(&["unload-module", &headset]);
    server.pactl(&["unload-module", &boom]);
    let mut notices = Vec::new();
    until(|now| {
        notices.extend(play(&mut speaker, now + later));
        (on_speaker.hears_tone() && !notices.is_empty()).then_some(())
    });
    until(|now| {
        let (notice, is_heard) = hear(&mut microphone, now + later);
        notices.extend(notice);
        (notices.len() == 2 && is_heard).then_some(())
    });
    assert_eq!(
        notices,
        [
            "The speaker headset is gone. It goes on with the speaker speaker.",
            "The microphone boom is gone. It goes on with the microphone microphone.",
        ]
    );
    let _ = player.kill();
    let _ = player.wait();
}

/// What the microphone says, and whether it hears [`tone`].
fn hear(microphone: &mut Microphone, now: Instant) -> (Option<String>, bool) {
    let notice = microphone.poll(now, true);
    let (mut block, mut is_heard) = (SILENCE, false);
    while microphone.take(now, &mut block) {
        is_heard = dbfs(&block) > -21.0;
    }
    (notice, is_heard)
}

/// The server is stopped: it holds the connection, and does nothing.
#[test]
fn a_device_that_does_nothing_is_said() {
    let Some(server) = server("a_device_that_does_nothing_is_said", as_it_is) else { return };
    let mut player = player(&server, "room");
    let mut microphone = Microphone::new(Some("microphone".to_owned()), clock::now());
    until(|now| hear(&mut microphone, now).1.then_some(()));
    let signal = |name: &str| Command::new("kill").args([name, server.pid().as_str()]).status();
    assert!(signal("-STOP").unwrap().success());
    // What is under way.
    until(|now| (!hear(&mut microphone, now).1).then_some(()));
    // Ten times as fast, as the device has to be seen to do nothing.
    let start = clock::now();
    let notice = until(|now| hear(&mut microphone, now + (now - start) * 9).0);
    assert!(signal("-CONT").unwrap().success());
    let expected =
        "The microphone microphone did nothing for 3 seconds. Your partner does not hear you.";
    assert_eq!(notice, expected);
    let _ = player.kill();
    let _ = player.wait();
}

/// It was suspended, say.
#[test]
fn a_program_that_stood_still_blames_no_device() {
    let Some(server) = server("a_program_that_stood_still_blames_no_device", as_it_is) else {
        return;
    };
    let mut speaker = Speaker::new(None, clock::now());
    let mut listener = Listener::start(&server, "speaker");
    until(|now| {
        assert_eq!(play(&mut speaker, now), None);
        listener.hears_tone().then_some(())
    });
    for minute in 0..10 {
        let now = clock::now() + Duration::from_secs(60 * minute);
        assert_eq!(speaker.poll(now), None);
    }
}

#[test]
fn no_sound_system_is_one_notice() {
    if server("no_sound_system_is_one_notice", PulseAudio::hide).is_none() {
        return;
    }
    let now = clock::now();
    let (mut microphone, mut speaker) = (Microphone::new(None, now), Speaker::new(None, now));
    let notice = until(|now| microphone.poll(now, true));
    assert!(notice.starts_with("There is no sound: no sound system was found"), "{notice}");
    assert!(notice.contains("Install PipeWire"), "{notice}");
    assert_eq!(until(|now| speaker.poll(now)), notice, "said once by who compares them");
}
