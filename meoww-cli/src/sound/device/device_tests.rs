//! A tone through devices, by every way, and the names of devices.

use std::{process::Command, time::Duration};

use super::{
    pulseaudio::PulseAudio,
    testing::{self, Listener, as_it_is, hear, play, player, takes_tone, until},
    *,
};
use crate::{clock, sound::SILENCE};

fn server(name: &str, adapt: impl FnOnce(&PulseAudio, &mut Command)) -> Option<PulseAudio> {
    testing::server(module_path!(), name, adapt)
}

fn a_tone_is_played(server: &PulseAudio, name: Option<&str>) {
    let mut listener = Listener::start(server, name.unwrap_or("speaker"));
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

/// `speaker` is the one that the microphone of that name, or the default one, hears.
fn a_tone_is_recorded(server: &PulseAudio, speaker: &str, name: Option<&str>) {
    let _player = player(server, speaker);
    let mut microphone = Microphone::new(name.map(str::to_owned), clock::now());
    let mut recorded: Vec<f32> = Vec::new();
    until(|now| {
        assert_eq!(microphone.poll(now, true), None);
        let mut block = SILENCE;
        while microphone.take(now, &mut block) {
            recorded.extend(block);
        }
        takes_tone(&mut recorded).then_some(())
    });
}

#[test]
fn a_tone_is_recorded_by_pulseaudio() {
    if let Some(server) = server("a_tone_is_recorded_by_pulseaudio", as_it_is) {
        a_tone_is_recorded(&server, "room", Some("microphone"));
    }
}

#[test]
fn a_tone_is_recorded_by_alsa() {
    if let Some(server) = server("a_tone_is_recorded_by_alsa", PulseAudio::through_alsa) {
        a_tone_is_recorded(&server, "room", None);
    }
}

#[test]
fn a_tone_passes_devices_of_every_format() {
    let name = "a_tone_passes_devices_of_every_format";
    let Some(server) = server(name, as_it_is) else { return };
    for (name, rate, channels) in [
        ("s16le", 44_100, 1),
        ("s24-32le", 32_000, 2),
        ("s32le", 96_000, 2),
        ("float32le", 44_100, 2),
    ] {
        let device = format!("sink_name={name} format={name} rate={rate} channels={channels}");
        println!("{device}");
        server.pactl(&["load-module", "module-null-sink", &device]);
        a_tone_is_played(&server, Some(name));
        println!("played");
        a_tone_is_recorded(&server, name, Some(&format!("{name}.monitor")));
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
    let _player = player(&server, "room");
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
    // The monitor of a speaker is no microphone unless it is named.
    server.pactl(&["unload-module", "module-remap-source"]);
    assert!(list(Kind::Microphone).unwrap().iter().all(|device| !device.is_default));
}
