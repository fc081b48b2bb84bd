use super::*;
use crate::sound::{
    reference::Reference,
    resample::Resampler,
    testing::{FAR, SECOND, cleaned_of, decibels, noise, power, speech},
};

const NEAR: &str = "No, I am upstairs, and I do not hear any kettle at all. What a strange thing to say. \
     Perhaps it was the neighbour, who has been drilling holes into the wall for a week. \
     Anyway, tell me about your day. Did you find the book that you were looking for?";

/// The echo of a speaker in a microphone, 6 dB softer: at first the direct sound after 8 ms, then sixty
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
    let cleaned = cleaned_of(&mix(&near, &echo), &far);

    // The first seconds are for finding out how long the echo takes.
    let alone = 3 * SECOND..10 * SECOND;
    let less = decibels(power(&echo[alone.clone()]) / power(&cleaned[alone]));
    assert!(less >= 35.0, "echo alone: {less} dB less");
    println!("echo alone: {less:.1} dB less");

    let undisturbed = cleaned_of(&near, &vec![0.0; far.len()]);
    for (who, span) in [("near alone", 11..20), ("both", 20..30)] {
        let span = span.start * SECOND..span.end * SECOND;
        let (heard, expected) = (&cleaned[span.clone()], &undisturbed[span.clone()]);
        let changed = decibels(power(heard) / power(&near[span.clone()]));
        assert!(changed.abs() <= 3.0, "{who}: by {changed} dB");
        // It is the voice, and no echo at its level.
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
    // The buffers of a speaker and a microphone.
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
    let cleaned = cleaned_of(&mix(&voice, &fan), &vec![0.0; voice.len()]);

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
        power(&cleaned_of(&voice, &vec![0.0; voice.len()])[10 * SECOND..])
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
    let cleaned = cleaned_of(&near, &far);
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
