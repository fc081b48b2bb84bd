use std::process::Command;

use super::*;
use crate::sound::{reference::Reference, resample::Resampler};

const FAR: &str = "Are you in the kitchen? I can hear the kettle. It is raining here since the morning, \
     and the cat sits at the window. She watches the pigeons on the roof of the house next door. \
     Nothing else has happened today, but tomorrow my sister comes, and she brings her dog.";
const NEAR: &str = "No, I am upstairs, and I do not hear any kettle at all. What a strange thing to say. \
     Perhaps it was the neighbour, who has been drilling holes into the wall for a week. \
     Anyway, tell me about your day. Did you find the book that you were looking for?";
const SECOND: usize = SAMPLE_RATE as usize;

/// Speech made by espeak-ng, of so many seconds, begun again if it is shorter, at -26 dBFS.
fn speech(voice: &str, text: &str, seconds: usize) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speech.wav");
    let made = Command::new("espeak-ng").args(["-v", voice, "-w"]).arg(&path).arg(text).status();
    assert!(made.expect("espeak-ng; scripts/setup test installs it").success());
    let file = std::fs::read(&path).unwrap();
    let number = |at| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(&file[36..40], b"data", "mono, 16 bit, nothing but sound");
    let samples: Vec<f32> = file[44..]
        .chunks_exact(2)
        .map(|sample| f32::from(i16::from_le_bytes([sample[0], sample[1]])) / 32_768.0)
        .collect();
    let mut speech = Vec::new();
    Resampler::new(number(24), SAMPLE_RATE).unwrap().process(&samples, &mut speech);
    let speech: Vec<f32> = speech.iter().copied().cycle().take(seconds * SECOND).collect();
    let gain = 0.05 / power(&speech).sqrt();
    speech.iter().map(|sample| sample * gain).collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
}

fn decibels(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}

/// Numbers between -1 and 1, the same each time.
fn noise() -> impl Iterator<Item = f32> {
    let mut state = 1_u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    })
}

/// What a microphone hears of a speaker 6 dB softer: at first the direct sound after 8 ms, then sixty
/// reflections that fall by 60 dB in 150 ms.
fn echo(far: &[f32]) -> Vec<f32> {
    let mut noise = noise();
    let mut paths = vec![(384, 1.0)];
    for _ in 0..60 {
        let after = noise.next().unwrap().abs() * 0.1;
        let strength = noise.next().unwrap() * 10_f32.powf(-3.0 * after / 0.15);
        paths.push((384 + (after * SECOND as f32) as usize, strength));
    }
    let mut heard = vec![0.0; far.len()];
    for (delay, strength) in paths {
        for (heard, sample) in heard[delay..].iter_mut().zip(far) {
            *heard += strength * sample;
        }
    }
    let gain = (power(far) / power(&heard)).sqrt() * 10_f32.powf(-6.0 / 20.0);
    heard.iter().map(|sample| sample * gain).collect()
}

fn mix(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(one, other)| one + other).collect()
}

fn processed(near: &[f32], far: &[f32]) -> Vec<f32> {
    let mut processor = Processor::default();
    let mut cleaned = Vec::new();
    for (near, far) in near.chunks_exact(BLOCK_SAMPLES).zip(far.chunks_exact(BLOCK_SAMPLES)) {
        let mut block: Block = near.try_into().unwrap();
        processor.process(&mut block, far.try_into().unwrap());
        cleaned.extend_from_slice(&block);
    }
    cleaned
}

/// By how many decibels each 20 ms of a voice are softer than expected, sorted; pauses do not count.
fn softer(heard: &[f32], expected: &[f32], voice: &[f32]) -> Vec<f32> {
    let pieces = heard.chunks_exact(960).zip(expected.chunks_exact(960));
    let spoken = pieces.zip(voice.chunks_exact(960)).filter(|(_, voice)| power(voice) > 1e-4);
    let softer = spoken.map(|((heard, expected), _)| decibels(power(expected) / power(heard)));
    let mut softer: Vec<f32> = softer.collect();
    softer.sort_by(f32::total_cmp);
    softer
}

/// Ten seconds in which the far side talks, ten in which the near side does, ten in which both do.
#[test]
fn echo_is_gone_and_who_talks_over_it_is_heard() {
    let silence = vec![0.0; 10 * SECOND];
    let far = [speech("en-us", FAR, 10), silence.clone(), speech("en-us", FAR, 10)].concat();
    let near = [silence.clone(), speech("en-gb+f3", NEAR, 20)].concat();
    let echo = echo(&far);
    let cleaned = processed(&mix(&near, &echo), &far);

    // The first seconds are for finding out how long the echo takes.
    let alone = 3 * SECOND..10 * SECOND;
    let less = decibels(power(&echo[alone.clone()]) / power(&cleaned[alone]));
    assert!(less >= 35.0, "echo alone: {less} dB less");
    println!("echo alone: {less:.1} dB less");

    let undisturbed = processed(&near, &vec![0.0; far.len()]);
    for (who, span) in [("near alone", 11..20), ("both", 20..30)] {
        let span = span.start * SECOND..span.end * SECOND;
        let (heard, expected) = (&cleaned[span.clone()], &undisturbed[span.clone()]);
        let changed = decibels(power(heard) / power(&near[span.clone()]));
        assert!(changed.abs() <= 3.0, "{who}: by {changed} dB");
        // What is heard is the voice, and no echo at its level.
        let common = heard.iter().zip(expected).map(|(a, b)| a * b).sum::<f32>();
        let alike = common / (power(heard) * power(expected)).sqrt() / heard.len() as f32;
        assert!(alike >= 0.85, "{who}: alike by {alike}");
        let softer = softer(heard, expected, &near[span]);
        let (half, worst) = (softer[softer.len() / 2], softer[softer.len() * 3 / 4]);
        println!("{who}: {changed:.1} dB louder, half {half:.1}, a quarter {worst:.1} dB softer");
        assert!(half <= 2.0, "{who}: half of it is {half} dB softer");
        assert!(worst <= 3.0, "{who}: a quarter is {worst} dB softer");
    }
}

/// The speaker's clock is faster by a ten-thousandth, and it takes two blocks at a time.
#[test]
fn echo_is_gone_with_two_clocks() {
    let far = speech("en-us", FAR, 20);
    let mut echo = echo(&far);
    // What a speaker and a microphone hold.
    echo.splice(..0, vec![0.0; 60 * SECOND / 1000]);
    let (mut near, ppm) = (Vec::new(), 100.0);
    let mut clock = Resampler::adjustable(SAMPLE_RATE, SAMPLE_RATE).unwrap();
    clock.set_speed(1.0 + ppm / 1e6);
    clock.process(&echo, &mut near);
    let mut far = far.chunks_exact(BLOCK_SAMPLES).map(|block| Block::try_from(block).unwrap());
    let (mut processor, mut reference) = (Processor::default(), Reference::default());
    let (mut played, mut cleaned) = (0, Vec::new());
    for (tick, near) in near.chunks_exact(BLOCK_SAMPLES).take(1990).enumerate() {
        let due = (tick as f64 * (1.0 + ppm / 1e6)) as usize / 2 * 2 + 2;
        far.by_ref().take(due - played).for_each(|block| reference.played(&block));
        played = due;
        let mut block: Block = near.try_into().unwrap();
        processor.process(&mut block, &reference.next());
        cleaned.extend_from_slice(&block);
    }
    let alone = 5 * SECOND..19 * SECOND;
    let less = decibels(power(&near[alone.clone()]) / power(&cleaned[alone]));
    println!("two clocks: {less:.1} dB less");
    assert!(less >= 35.0, "{less} dB less");
}

/// Noise is measured in the gap between two sentences.
#[test]
fn a_fan_is_taken_out_of_a_voice() {
    let voice = speech("en-gb", NEAR, 10);
    let voice = [&voice[..], &vec![0.0; 3 * SECOND], &voice].concat();
    let talk = 3 * SECOND..10 * SECOND;
    let amplitude = (3.0 * power(&voice[talk.clone()]) * 10_f32.powf(-15.0 / 10.0)).sqrt();
    let fan: Vec<f32> = noise().take(voice.len()).map(|sample| amplitude * sample).collect();
    let cleaned = processed(&mix(&voice, &fan), &vec![0.0; voice.len()]);

    let gap = 11 * SECOND..13 * SECOND;
    let before = decibels(power(&voice[talk.clone()]) / power(&fan[gap.clone()]));
    assert!((before - 15.0).abs() < 0.1, "{before} dB");
    let after = decibels(power(&cleaned[talk]) / power(&cleaned[gap]));
    assert!(after - before >= 12.0, "from {before} to {after} dB");
}

/// A quiet voice is made louder and a loud one softer.
#[test]
fn voices_come_to_one_level() {
    let voice = speech("en-gb", NEAR, 20);
    let [quiet, loud] = [0.2, 3.0].map(|gain| {
        let voice: Vec<f32> = voice.iter().map(|sample| sample * gain).collect();
        power(&processed(&voice, &vec![0.0; voice.len()])[10 * SECOND..])
    });
    let apart = decibels(loud / quiet);
    assert!(apart < 10.0, "{apart} dB apart, and 23.5 before");
}

/// As of a cheap sound card: the echo is found all the same.
#[test]
fn a_constant_voltage_of_the_microphone_is_taken_out() {
    let far = speech("en-us", FAR, 10);
    let echo = echo(&far);
    let near: Vec<f32> = echo.iter().map(|sample| sample + 0.05).collect();
    let cleaned = processed(&near, &far);
    let alone = 3 * SECOND..10 * SECOND;
    let less = decibels(power(&echo[alone.clone()]) / power(&cleaned[alone]));
    assert!(less >= 35.0, "{less} dB less");
}

#[test]
fn what_is_no_number_does_not_stay() {
    let mut processor = Processor::default();
    for bad in [f32::NAN, f32::INFINITY, f32::MIN, 1e30] {
        processor.process(&mut [bad; BLOCK_SAMPLES], &[bad; BLOCK_SAMPLES]);
    }
    let voice = speech("en-gb", NEAR, 5);
    for block in voice.chunks_exact(BLOCK_SAMPLES) {
        let mut block: Block = block.try_into().unwrap();
        processor.process(&mut block, &[0.0; BLOCK_SAMPLES]);
        assert!(block.iter().all(|sample| sample.abs() <= 1.0));
    }
}
