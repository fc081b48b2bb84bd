use proptest::prelude::*;

use super::*;
use crate::sound::{SAMPLE_RATE, level, testing};

fn frames(samples: &[f32]) -> impl Iterator<Item = &[f32; FRAME_SAMPLES]> {
    samples.chunks_exact(FRAME_SAMPLES).map(|frame| frame.try_into().unwrap())
}

fn packets(samples: &[f32]) -> Vec<Bytes> {
    let mut encoder = Encoder::new().unwrap();
    frames(samples).map(|frame| encoder.encode(frame).expect("a frame")).collect()
}

#[test]
fn a_tone_comes_back_at_its_pitch_and_level() {
    let (mut decoder, mut heard) = (Decoder::new().unwrap(), Vec::new());
    for packet in packets(&testing::tone(2)) {
        assert_eq!(samples_in(&packet), Some(FRAME_SAMPLES));
        assert!(decoder.decode(&packet, &mut heard));
    }
    assert_eq!(heard.len(), 2 * 48_000);
    let settled = &heard[24_000..];
    assert!((testing::pitch(settled) / 440.0 - 1.0).abs() < 0.001);
    assert!((level::dbfs(settled) + 20.0).abs() < 0.5, "{}", level::dbfs(settled));
}

#[test]
fn the_bitrate_is_kept() {
    for bps in [16_000, 24_000, 40_000] {
        let mut encoder = Encoder::new().unwrap();
        encoder.adapt(bps, 0);
        let samples = testing::tone(4);
        let bytes: usize =
            frames(&samples).filter_map(|frame| encoder.encode(frame)).map(|p| p.len()).sum();
        let measured = bytes as f64 * 8.0 / 4.0;
        assert!(measured < 1.25 * f64::from(bps), "{measured} of {bps} bit/s");
    }
}

#[test]
fn what_is_missing_is_made_up() {
    let (mut decoder, mut heard) = (Decoder::new().unwrap(), Vec::new());
    let packets = packets(&testing::tone(1));
    for packet in &packets[..20] {
        decoder.decode(packet, &mut heard);
    }
    heard.clear();
    decoder.conceal(FRAME_SAMPLES, &mut heard);
    assert_eq!(heard.len(), FRAME_SAMPLES);
    assert!(level::dbfs(&heard) > -26.0, "{} dBFS", level::dbfs(&heard));
    heard.clear();
    decoder.recover(&packets[22], FRAME_SAMPLES, &mut heard);
    assert_eq!(heard.len(), FRAME_SAMPLES);
}

/// Those of an encoder that protects frames, and of one that does not.
#[test]
fn a_packet_says_whether_it_protects_the_one_before() {
    let voice = |n: u32| {
        let time = n as f32 / SAMPLE_RATE as f32 * std::f32::consts::TAU;
        let sum: f32 = (1..10_u8).map(|k| (150.0 * f32::from(k) * time).sin() / f32::from(k)).sum();
        0.2 * (3.0 * time).sin().abs() * sum
    };
    let voice: Vec<f32> = (0..3 * SAMPLE_RATE).map(voice).collect();
    let protected = |fec| {
        let mut encoder = Encoder::new().unwrap();
        encoder.opus.set_inband_fec(fec).unwrap();
        let packets = frames(&voice).filter_map(|frame| encoder.encode(frame));
        packets.filter(|packet| protects(packet)).count()
    };
    assert_eq!(protected(InbandFec::Off), 0);
    // Of 150, but for pauses between syllables.
    assert!(protected(InbandFec::Mode1) > 100, "{}", protected(InbandFec::Mode1));
}

/// Packets of other shapes: the decoder takes what Opus allows, whatever was negotiated.
#[test]
fn other_shapes_are_decoded_to_mono() {
    // By RFC 6716, table 2: SILK 60 ms, hybrid 10 ms, CELT 2.5 ms in stereo; each with an empty frame.
    for (configuration, expected) in [(3_u8, 2_880), (12, 480), (28, 120)] {
        for stereo in [0, 1] {
            let packet = [configuration << 3 | stereo << 2, 0, 0];
            assert_eq!(samples_in(&packet), Some(expected));
            let mut heard = Vec::new();
            if Decoder::new().unwrap().decode(&packet, &mut heard) {
                assert_eq!(heard.len(), expected);
            }
        }
    }
    // 48 frames of 2.5 ms are the most, 120 ms.
    assert_eq!(samples_in(&[28 << 3 | 3, 48]), Some(MAX_PACKET_SAMPLES));
    assert_eq!(samples_in(&[28 << 3 | 3, 49]), None);
}

proptest! {
    #[test]
    fn no_packet_is_too_strange(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1500), 0..20),
        missing in 1_usize..=48,
    ) {
        let mut decoder = Decoder::new().unwrap();
        for packet in &packets {
            let mut heard = Vec::new();
            let is_whole = decoder.decode(packet, &mut heard);
            prop_assert_eq!(is_whole, !heard.is_empty());
            prop_assert!(heard.len() <= MAX_PACKET_SAMPLES);
            prop_assert!(heard.iter().all(|sample| !sample.is_nan()));
            let mut heard = Vec::new();
            decoder.recover(packet, missing * STEP_SAMPLES, &mut heard);
            decoder.conceal(missing * STEP_SAMPLES, &mut heard);
            prop_assert_eq!(heard.len(), 2 * missing * STEP_SAMPLES);
        }
    }
}
