use std::time::Duration;

use super::*;
use crate::sound::{
    AudioIn, AudioOut, BLOCK_SAMPLES, Sound, SoundConfig,
    codec::Decoder,
    handle::MAX_EVENTS,
    room::{self, OpusPacket, Received, RoomSound},
    testing,
};

/// An engine without its thread, in virtual time.
fn engine(input: &AudioIn) -> (Engine, mpsc::Receiver<SoundEvent>) {
    let (events, told) = mpsc::channel(MAX_EVENTS);
    let (source, sink) = (Source::open(input).unwrap(), Sink::open(&AudioOut::None).unwrap());
    (Engine::new(Arc::default(), source, sink, events), told)
}

fn begin(engine: &Engine) -> RoomSound {
    let (sound, end) = room::pair();
    *engine.shared.next_room.lock().unwrap() = Some(end);
    sound
}

/// Runs so many blocks from `now` on; returns how loud the loudest was that was played, in dBFS.
fn run(engine: &mut Engine, now: &mut Instant, blocks: usize) -> i32 {
    let levels = (0..blocks).map(|_| {
        engine.tick(*now);
        *now += BLOCK_TIME;
        engine.shared.levels.output()
    });
    levels.max().unwrap()
}

fn frames(room: &mut RoomSound) -> usize {
    std::iter::from_fn(|| room.outgoing.try_recv().ok()).count()
}

/// Likewise, while a tone comes into a room.
fn run_with_tone(
    engine: &mut Engine,
    room: &RoomSound,
    now: &mut Instant,
    frames: std::ops::Range<usize>,
) -> i32 {
    let tone = testing::encoded(&testing::tone(2));
    let levels = frames.map(|at| {
        let packet: OpusPacket = testing::packet(at, tone[at].clone(), *now);
        room.incoming.try_send(Received::Packet(packet)).unwrap();
        run(engine, now, 2)
    });
    levels.max().unwrap()
}

#[test]
fn the_microphone_is_off_until_the_room_is_live() {
    let (mut engine, _told) = engine(&AudioIn::Tone);
    let (mut room, mut now) = (begin(&engine), clock::now());
    run(&mut engine, &mut now, 20);
    assert_eq!(frames(&mut room), 0);
    assert_eq!(engine.shared.levels.input(), Some(-20), "the meter works");
    room.is_live.send_replace(true);
    run(&mut engine, &mut now, 20);
    assert_eq!(frames(&mut room), 10);
    assert_eq!(room.figures.now().sent, 10);
    // Muted: the last frames say that there is silence, and then none come.
    engine.shared.controls.set_muted(true);
    run(&mut engine, &mut now, 100);
    room.outgoing.close();
    assert_eq!(engine.shared.levels.input(), Some(-20));
}

#[test]
fn mute_silences_the_very_next_frame() {
    let (mut engine, _told) = engine(&AudioIn::Tone);
    let (mut room, mut now) = (begin(&engine), clock::now());
    room.is_live.send_replace(true);
    run(&mut engine, &mut now, 20);
    engine.shared.controls.set_muted(true);
    run(&mut engine, &mut now, 10);
    let (mut decoder, mut levels) = (Decoder::new().unwrap(), Vec::new());
    while let Ok(frame) = room.outgoing.try_recv() {
        let mut heard = Vec::new();
        decoder.decode(&frame.payload, &mut heard);
        levels.push(crate::sound::level::dbfs(&heard));
    }
    // 2.5 ms fade out in the eleventh frame, and the codec is 6.5 ms late.
    assert!(levels[9] > -22.0 && levels[11..].iter().all(|level| *level < -60.0), "{levels:?}");
}

#[test]
fn talking_while_muted_is_said_once() {
    let (mut engine, mut told) = engine(&AudioIn::Tone);
    engine.shared.controls.set_muted(true);
    let mut now = clock::now();
    // The tone is louder than the silence before it.
    engine.talk.update(&SILENCE, true);
    run(&mut engine, &mut now, 100);
    assert_eq!(told.try_recv().unwrap(), SoundEvent::MutedButTalking);
    assert!(told.try_recv().is_err());
}

#[test]
fn the_last_room_is_not_heard_in_the_next() {
    let (mut engine, _told) = engine(&AudioIn::None);
    let (first, mut now) = (begin(&engine), clock::now());
    let loudest = run_with_tone(&mut engine, &first, &mut now, 0..20);
    assert!(loudest > -23, "the first room is heard: {loudest} dBFS");
    // 40 ms of it wait to be played.
    let second = begin(&engine);
    engine.output = Meter::default();
    assert_eq!(run(&mut engine, &mut now, 50), -100);
    assert!(first.incoming.is_closed());
    drop(second);
    run(&mut engine, &mut now, 1);
    assert!(engine.room.is_none());
}

#[test]
fn deafness_and_volume_are_heard() {
    let (mut engine, _told) = engine(&AudioIn::None);
    let (room, mut now) = (begin(&engine), clock::now());
    engine.shared.controls.set_volume(10);
    run_with_tone(&mut engine, &room, &mut now, 0..20);
    engine.output = Meter::default();
    let soft = run_with_tone(&mut engine, &room, &mut now, 20..40);
    assert!((-41..=-39).contains(&soft), "{soft} dBFS");
    engine.shared.controls.set_deafened(true);
    run_with_tone(&mut engine, &room, &mut now, 40..41);
    engine.output = Meter::default();
    assert_eq!(run_with_tone(&mut engine, &room, &mut now, 41..60), -100);
}

#[test]
fn a_disk_that_fills_up_is_said_and_the_call_goes_on() {
    let (mut engine, mut told) = engine(&AudioIn::None);
    engine.sink = Sink::open(&AudioOut::WavFile("/dev/full".into())).unwrap();
    let mut now = clock::now();
    run(&mut engine, &mut now, 1000);
    assert!(matches!(told.try_recv(), Ok(SoundEvent::Notice(_))));
    assert!(told.try_recv().is_err());
}

/// With its thread, in real time.
#[test]
fn a_tone_goes_in_and_a_file_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heard.wav");
    let config = SoundConfig {
        input: AudioIn::Tone,
        output: AudioOut::WavFile(path.clone()),
        is_muted: false,
    };
    let (sound, _told) = Sound::open(&config).unwrap();
    let mut room = sound.room();
    room.is_live.send_replace(true);
    for sequence in 0..50 {
        let frame = room.outgoing.blocking_recv().expect("a frame");
        let (timestamp, payload) = (frame.timestamp, frame.payload);
        let packet = OpusPacket { ssrc: 1, sequence, timestamp, payload, arrived: clock::now() };
        room.incoming.blocking_send(Received::Packet(packet)).unwrap();
    }
    drop((room, sound));
    let samples = hound::WavReader::open(path).unwrap().into_samples::<i16>();
    let samples: Vec<f32> = samples.map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect();
    assert!(samples.len() > 90 * BLOCK_SAMPLES, "{} samples", samples.len());
    // A busy machine leaves gaps, so one whole stretch of 100 ms is enough.
    let is_tone = |heard: &[f32]| {
        crate::sound::level::dbfs(heard) > -22.0
            && (testing::pitch(heard) / 440.0 - 1.0).abs() < 0.01
    };
    assert!(samples.chunks_exact(10 * BLOCK_SAMPLES).any(is_tone), "no tone of 440 Hz");
    assert!(Duration::from_millis(10 * (samples.len() / BLOCK_SAMPLES) as u64).as_secs() < 10);
}

#[test]
fn a_partner_is_told_whether_there_is_anything_to_hear() {
    for (input, on) in [(AudioIn::None, false), (AudioIn::Tone, true)] {
        let config = SoundConfig { input, output: AudioOut::None, is_muted: false };
        let (sound, _told) = Sound::open(&config).unwrap();
        let is_on = sound.on();
        assert_eq!(*is_on.borrow(), on);
        sound.set_muted(true);
        assert!(!*is_on.borrow());
        sound.set_muted(false);
        assert_eq!(*is_on.borrow(), on);
    }
}
