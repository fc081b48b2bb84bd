//! Devices that go, or do nothing, or are not there.

use std::{process::Command, time::Duration};

use super::{
    pulseaudio::PulseAudio,
    testing::{self, Listener, as_it_is, hear, play, player, until},
    *,
};
use crate::clock;

fn server(name: &str, adapt: impl FnOnce(&PulseAudio, &mut Command)) -> Option<PulseAudio> {
    testing::server(module_path!(), name, adapt)
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
    let _player = player(&server, "room");
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
}

/// The server is stopped: it holds the connection, and does nothing.
#[test]
fn a_device_that_does_nothing_is_said() {
    let Some(server) = server("a_device_that_does_nothing_is_said", as_it_is) else { return };
    let _player = player(&server, "room");
    let mut microphone = Microphone::new(Some("microphone".to_owned()), clock::now());
    until(|now| hear(&mut microphone, now).1.then_some(()));
    let signal = |name: &str| Command::new("kill").args([name, server.pid().as_str()]).status();
    assert!(signal("-STOP").unwrap().success());
    // Blocks that are under way come first.
    until(|now| (!hear(&mut microphone, now).1).then_some(()));
    // Ten times as fast, as the device has to be seen to do nothing.
    let start = clock::now();
    let notice = until(|now| hear(&mut microphone, now + (now - start) * 9).0);
    assert!(signal("-CONT").unwrap().success());
    let expected =
        "The microphone microphone did nothing for 3 seconds. Your partner does not hear you.";
    assert_eq!(notice, expected);
}

/// As a driver that waits for a radio, or for ever.
#[test]
fn a_device_that_does_not_open_is_said() {
    let Some(server) = server("a_device_that_does_not_open_is_said", as_it_is) else { return };
    let signal = |name: &str| Command::new("kill").args([name, server.pid().as_str()]).status();
    assert!(signal("-STOP").unwrap().success());
    let mut speaker = Speaker::new(Some("speaker".to_owned()), clock::now());
    let start = clock::now();
    let notice = until(|now| play(&mut speaker, now + (now - start) * 9));
    assert!(signal("-CONT").unwrap().success());
    let expected = "The speaker speaker did nothing for 10 seconds. You do not hear your partner.";
    assert_eq!(notice, expected);
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
