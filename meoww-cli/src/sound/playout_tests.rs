use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    clock,
    sound::{
        SILENCE,
        delay::{MAX_TARGET, MIN_TARGET},
        room::{OpusFrame, OpusPacket},
        testing::{Path, corner, encoded, longest_silence, packet, pitch, seconds, tone},
    },
};

/// -40 dBFS.
const CLICK: f32 = 0.01;

/// From 2 s on, when all is settled.
fn settled(samples: &[f32]) -> &[f32] {
    &samples[2 * 48_000..]
}

#[test]
fn a_tone_for_a_minute_is_whole() {
    let heard = Path::default().carry(encoded(&tone(61)).into_iter(), 6000);
    let settled = settled(&heard.samples);
    let pitch = pitch(settled);
    assert!((pitch / 440.0 - 1.0).abs() < 0.001, "{pitch} Hz");
    assert_eq!(longest_silence(settled, -26.0), 0);
    assert!(corner(settled) < CLICK, "{}", corner(settled));
    assert_eq!((heard.figures.concealed, heard.figures.counts.lost), (0, 0));
    assert!((heard.figures.delay - MIN_TARGET).abs() < 0.011, "{}", heard.figures.delay);
}

/// A path of 40 ms, a frame of 20, 6.5 of the codec, and packets that wait for 40: devices apart.
#[test]
fn a_click_is_heard_within_90_ms_and_the_path() {
    const AT: usize = 2 * 48_000;
    let mut click = tone(4).iter().map(|sample| sample * 0.1).collect::<Vec<f32>>();
    for sample in &mut click[AT..][..192] {
        *sample = if sample.is_sign_positive() { 0.5 } else { -0.5 };
    }
    let heard = Path::default().carry(encoded(&click).into_iter(), 380);
    let at = heard.samples.iter().position(|sample| sample.abs() > 0.15).expect("a click");
    // The first frame is sent as it ends.
    let took = (at + 960 - AT) as f64 / 48.0;
    assert!((80.0..=130.0).contains(&took), "{took} ms");
}

#[test]
fn loss_and_jitter_are_concealed() {
    for seed in 0..5 {
        let path = Path { loss: 0.05, jitter: 0.02, seed, ..Path::default() };
        let heard = path.carry(encoded(&tone(30)).into_iter(), 2900);
        let settled = settled(&heard.samples);
        let silence = longest_silence(settled, -50.0);
        assert!(silence <= 60, "seed {seed}: {silence} ms of silence");
        assert!(corner(settled) < CLICK, "seed {seed}: a click of {}", corner(settled));
        let lost = heard.figures.counts.lost;
        assert!((40..=110).contains(&lost), "seed {seed}: {lost} of 1450");
        let concealed = heard.figures.concealed as f64 / 960.0;
        assert!(concealed <= 1.3 * lost as f64, "seed {seed}: {concealed} frames for {lost} lost");
        assert!(heard.figures.target <= 0.080, "seed {seed}: {}", heard.figures.target);
    }
}

/// One second of a tone, over and over: 440 periods, so that there is no seam.
fn endless_tone() -> impl Iterator<Item = OpusFrame> {
    let second: Vec<Bytes> =
        encoded(&tone(3)).into_iter().skip(50).take(50).map(|frame| frame.payload).collect();
    (0..).map(move |at: u32| OpusFrame {
        captured: clock::now(),
        timestamp: at.wrapping_mul(960),
        starts_talk: at == 0,
        payload: second[at as usize % 50].clone(),
    })
}

#[test]
fn two_clocks_that_differ_neither_starve_nor_pile_up() {
    for ppm in [200.0, -200.0] {
        let path = Path { ppm, jitter: 0.005, ..Path::default() };
        let heard = path.carry(endless_tone(), 30 * 60 * 100);
        assert_eq!(heard.figures.concealed, 0, "{ppm} ppm: samples made up");
        let off = heard.delays[200..].iter().map(|(delay, target)| (delay - target).abs());
        let off = off.fold(0.0, f64::max);
        assert!(off < 0.020, "{ppm} ppm: {off} s off the target");
        assert!(corner(settled(&heard.samples)) < CLICK, "{ppm} ppm: a click");
        assert!((heard.figures.drift_ppm - ppm).abs() < 40.0, "{}", heard.figures.drift_ppm);
    }
}

/// As with Wi-Fi that stands still for a moment: all is played, and the delay goes back.
#[test]
fn what_comes_late_is_played_late_and_made_up_for() {
    let frames = encoded(&tone(6));
    for stall in [0.03, 0.06, 0.09, 0.15, 0.21] {
        let (samples, figures) = stalled(&frames, stall);
        assert_eq!(figures.counts.late, 0, "{stall} s");
        assert!((figures.delay - figures.target).abs() < 0.02, "{stall} s: {figures:?}");
        let click = corner(settled(&samples));
        assert!(click < CLICK, "{stall} s: a click of {click}");
    }
}

/// The sound of frames whose path stands still for `stall` seconds after 2 s, and then carries all
/// that waited.
fn stalled(frames: &[OpusFrame], stall: f64) -> (Vec<f32>, PlayoutFigures) {
    let start = crate::clock::now();
    let mut playout = Playout::new(start).unwrap();
    let mut frames = frames.iter().cloned().enumerate().peekable();
    let mut samples = Vec::new();
    for block in 0..590 {
        let now = f64::from(block) * 0.01;
        let stands_still = (2.0..2.0 + stall).contains(&now);
        while !stands_still
            && let Some((at, frame)) =
                frames.next_if(|(_, frame)| f64::from(frame.timestamp) / 48_000.0 <= now)
        {
            playout.receive(Received::Packet(packet(at, frame, start + seconds(now))));
        }
        let mut block = SILENCE;
        playout.play(start + seconds(now), &mut block);
        samples.extend(block);
    }
    (samples, playout.figures())
}

#[test]
fn silence_is_not_concealment() {
    let mut sound = tone(1);
    sound.extend(vec![0.0; 4 * 48_000]);
    sound.extend(tone(1));
    let heard = Path::default().carry(encoded(&sound).into_iter(), 600);
    assert_eq!(heard.figures.concealed, 0);
    let silent = &heard.samples[2 * 48_000..4 * 48_000];
    assert!(crate::sound::level::dbfs(silent) < -60.0);
    let talk = &heard.samples[5 * 48_000 + 24_000..6 * 48_000];
    assert_eq!(longest_silence(talk, -26.0), 0);
}

#[test]
fn a_sender_report_says_what_is_played() {
    let (start, mut frames) = (crate::clock::now(), encoded(&tone(1)).into_iter().enumerate());
    let mut playout = Playout::new(start).unwrap();
    assert_eq!(playout.playing(start), None);
    let (at, frame) = frames.next().unwrap();
    playout.receive(Received::Packet(packet(at, frame, start)));
    // The first sample was made at 1000 s of the sender's clock.
    playout.receive(Received::SenderReport { ntp: 1000 << 32, timestamp: 0xffff_0000 });
    for (at, frame) in frames {
        let now = start + Duration::from_millis(20 * at as u64);
        playout.receive(Received::Packet(packet(at, frame, now)));
        for half in 0..2 {
            let now = now + Duration::from_millis(10 * half);
            playout.play(now, &mut SILENCE.clone());
        }
    }
    // Packets wait for 40 ms, so that 960 ms of a second are over.
    let now = start + Duration::from_secs(1);
    let playing = playout.playing(now).unwrap();
    assert_eq!(playing.at, now);
    let seconds = playing.ntp as f64 / 4_294_967_296.0;
    assert!((seconds - 1000.96).abs() < 0.012, "{seconds}");
}

#[test]
fn pictures_are_waited_for() {
    let frames = encoded(&tone(5));
    let start = crate::clock::now();
    let mut playout = Playout::new(start).unwrap();
    playout.wait_at_least(Duration::from_secs(10));
    for (at, frame) in frames.into_iter().enumerate() {
        let now = start + Duration::from_millis(20 * at as u64);
        playout.receive(Received::Packet(packet(at, frame, now)));
        playout.play(now, &mut SILENCE.clone());
        playout.play(now + Duration::from_millis(10), &mut SILENCE.clone());
    }
    let figures = playout.figures();
    assert!((figures.delay - MAX_TARGET).abs() < 0.02, "{figures:?}");
    assert_eq!(figures.concealed, 0);
}

#[derive(Debug, Clone)]
enum Input {
    Packet { ssrc: u32, sequence: u16, timestamp: u32, which: usize, after: u64 },
    Report(u64, u32),
    Play(u8),
}

fn input() -> impl Strategy<Value = Input> {
    let near = |width: u16| (0..width).prop_map(|at| at.wrapping_sub(10));
    let sequence = prop_oneof![4 => near(60), 1 => any::<u16>()];
    let timestamp = prop_oneof![
        4 => (0_u32..60).prop_map(|at| at.wrapping_sub(10).wrapping_mul(960)),
        1 => any::<u32>(),
    ];
    let packet = (0_u32..3, sequence, timestamp, 0_usize..60, 0_u64..300);
    prop_oneof![
        6 => packet.prop_map(|(ssrc, sequence, timestamp, which, after)| {
            Input::Packet { ssrc, sequence, timestamp, which, after }
        }),
        1 => (any::<u64>(), any::<u32>()).prop_map(|(ntp, timestamp)| Input::Report(ntp, timestamp)),
        3 => (0_u8..30).prop_map(Input::Play),
    ]
}

proptest! {
    /// Orders, numbers and times at random, and payloads of all kinds: blocks come, in bounded memory.
    #[test]
    fn whatever_comes_is_survived(
        inputs in prop::collection::vec(input(), 0..200),
        noise in prop::collection::vec(any::<u8>(), 0..1400),
    ) {
        let real: Vec<Bytes> = encoded(&tone(1)).into_iter().map(|frame| frame.payload).collect();
        let noise = Bytes::from(noise);
        let mut now = crate::clock::now();
        let mut playout = Playout::new(now).unwrap();
        for input in inputs {
            match input {
                Input::Packet { ssrc, sequence, timestamp, which, after } => {
                    now += Duration::from_millis(after);
                    let payload = real.get(which).unwrap_or(&noise).clone();
                    let packet = OpusPacket { ssrc, sequence, timestamp, payload, arrived: now };
                    playout.receive(Received::Packet(packet));
                }
                Input::Report(ntp, timestamp) => {
                    playout.receive(Received::SenderReport { ntp, timestamp });
                }
                Input::Play(blocks) => {
                    for _ in 0..blocks {
                        now += Duration::from_millis(10);
                        playout.playing(now);
                        playout.play(now, &mut SILENCE.clone());
                        // 120 ms of one packet, and as many as are needed to leave some out.
                        prop_assert!(playout.line.ahead() < 2 * 5_760);
                    }
                }
            }
        }
    }

    /// All packets in any order within 100 ms, some twice: each is played once.
    #[test]
    fn any_order_within_the_target_is_heard_whole(
        order in prop::collection::vec((0.0..0.1_f64, any::<bool>()), 100),
    ) {
        let frames = encoded(&tone(2));
        let start = crate::clock::now();
        let mut playout = Playout::new(start).unwrap();
        playout.wait_at_least(Duration::from_millis(150));
        let mut packets: Vec<(f64, OpusPacket)> = Vec::new();
        for (at, (frame, (late, twice))) in frames.into_iter().zip(order).enumerate() {
            // The first is on time, so that the others are late by so much and no more.
            let arrives = at as f64 * 0.02 + if at == 0 { 0.0 } else { late };
            let packet = packet(at, frame, start + seconds(arrives));
            packets.extend(twice.then(|| (arrives + 0.005, packet.clone())));
            packets.push((arrives, packet));
        }
        packets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut packets = packets.into_iter().peekable();
        for block in 0..200 {
            let now = f64::from(block) * 0.01;
            while let Some((_, packet)) = packets.next_if(|(arrives, _)| *arrives <= now) {
                playout.receive(Received::Packet(packet));
            }
            playout.play(start + seconds(now), &mut SILENCE.clone());
        }
        prop_assert_eq!(playout.figures().concealed, 0);
        prop_assert_eq!(playout.figures().counts.late, 0);
    }
}
