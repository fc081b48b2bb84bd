//! `meoww devices` and `meoww doctor` on a real sound system.
#![cfg(all(feature = "sound", target_os = "linux"))]

#[path = "../src/sound/device/pulseaudio.rs"]
#[expect(dead_code, reason = "unit tests use the rest")]
mod pulseaudio;

use std::process::Command;

use pulseaudio::PulseAudio;
use serde_json::{Value, json};

/// What it prints, without an account, a server or a configuration.
fn devices(arguments: &[&str], adapt: impl FnOnce(&PulseAudio, &mut Command)) -> String {
    meoww(&[&["devices"], arguments].concat(), adapt)
}

fn meoww(arguments: &[&str], adapt: impl FnOnce(&PulseAudio, &mut Command)) -> String {
    let server = PulseAudio::start();
    let mut command = server.command(env!("CARGO_BIN_EXE_meoww"));
    command.args(arguments).env("TERM", "dumb");
    adapt(&server, &mut command);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).expect("text")
}

fn as_it_is(_: &PulseAudio, _: &mut Command) {}

/// One kind, as JSON, without descriptions.
fn names(printed: &str, kind: &str) -> Vec<(String, bool)> {
    let data: Value = serde_json::from_str(printed).expect("JSON");
    let devices = data[kind].as_array().expect("a list").iter();
    let text = |device: &Value| device["name"].as_str().expect("a name").to_owned();
    devices.map(|device| (text(device), device["default"] == json!(true))).collect()
}

#[test]
fn devices_of_pulseaudio_have_names() {
    let printed = devices(&["--json"], as_it_is);
    assert_eq!(names(&printed, "speakers"), [("speaker".into(), true), ("room".into(), false)]);
    assert_eq!(names(&printed, "microphones").last().unwrap(), &("microphone".into(), true));
    let printed = devices(&[], as_it_is);
    assert!(
        printed.contains("Speakers, for --speaker:\n  speaker  Null Output (default)\n"),
        "{printed}"
    );
}

#[test]
fn devices_of_alsa_have_names() {
    let printed = devices(&["--json"], PulseAudio::through_alsa);
    for kind in ["speakers", "microphones"] {
        assert_eq!(names(&printed, kind), [("default".into(), true)]);
    }
}

#[test]
fn no_sound_system_is_said_and_is_no_failure() {
    let printed = devices(&["--json"], PulseAudio::hide);
    let data: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(data["speakers"], json!([]));
    assert_eq!(data["problems"][0]["of"], "microphones");
    assert_eq!(data["problems"][0]["code"], "no-sound-system");
}

#[test]
fn the_doctor_says_what_a_call_sounds_through() {
    let sound = |adapt: fn(&PulseAudio, &mut Command)| {
        let printed = meoww(&["doctor", "--server", "http://127.0.0.1:9", "--json"], adapt);
        let data: Value = serde_json::from_str(&printed).expect("JSON");
        let found = data["findings"].as_array().expect("a list").iter();
        let mut sound = found.filter(|found| found["about"] == "sound");
        sound.next().expect("a line")["result"].as_str().expect("text").to_owned()
    };
    assert_eq!(sound(as_it_is), "microphone microphone, speaker speaker");
    let none = sound(PulseAudio::hide);
    assert!(none.starts_with("There is no sound: no sound system was found"), "{none}");
    assert_eq!(none.matches("There is no sound").count(), 1);
}
