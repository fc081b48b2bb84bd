//! Attacks of a stranger of ill will: memory and CPU of each, read and bounded.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]
#![cfg(target_os = "linux")]

mod media;

use std::{cell::Cell, fs, sync::Mutex, time::Duration};

use bytes::BytesMut;
use media::{
    Side,
    stranger::{Film, Stranger},
};
use meoww_cli::{
    core::event::{NoPicture, PeerEvent},
    picture::encode::Encoder,
};
use meoww_paint::Frame;
use rtc::rtcp::{
    payload_feedbacks::picture_loss_indication::PictureLossIndication,
    transport_feedbacks::transport_layer_nack::{
        TransportLayerNack, nack_pairs_from_sequence_numbers,
    },
};
use webrtc::data_channel::{DataChannel, DataChannelEvent};

/// One attack at a time, as memory is that of the process.
static ALONE: Mutex<()> = Mutex::new(());
/// The highest cost of an attack, with all that the stranger itself needs for it.
const MOST_BYTES: i64 = 64 << 20;
/// Longer than any of it takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// Clock ticks a second in `/proc`.
const TICKS: u64 = 100;

/// Bytes of this process in memory.
fn resident() -> i64 {
    let fields = fs::read_to_string("/proc/self/statm").unwrap();
    fields.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
}

/// CPU time of the victim: of its runtime, encoder and decoder.
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let ticks = stats.filter_map(|stat| {
        let (head, fields) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1;
        let is_victim = name.starts_with("victim") || name.starts_with("meoww-");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        is_victim.then_some(ticks(11)? + ticks(12)?)
    });
    Duration::from_millis(ticks.sum::<u64>() * 1000 / TICKS)
}

/// A call between a victim, on threads of its own, and a stranger; `attack` does what it likes in it.
/// Returns what the victim reported until its call failed, or for a second after the attack and until
/// that is `enough`.
fn attacked(
    attack: impl AsyncFnOnce(&mut Film, &dyn DataChannel, &Stranger),
    most_cpu: Duration,
    enough: impl Fn(&[PeerEvent]) -> bool,
) -> Vec<PeerEvent> {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = |name: &str| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).thread_name(name).enable_all().build().unwrap()
    };
    let (victim, stranger) = (runtime("victim"), runtime("stranger"));
    let mut side = victim.block_on(async { Side::open(false).await });
    let events = stranger.block_on(async {
        let (mut stranger, mut film) = Stranger::filming().await;
        let channel = stranger.channel("meoww").await;
        stranger.call(&mut side).await;
        let connected = |event: &PeerEvent| matches!(event, PeerEvent::Connected { .. });
        stranger.until(&mut side, connected).await;
        while !matches!(channel.poll().await, Some(DataChannelEvent::OnOpen) | None) {}
        let before = (resident(), cpu());
        let mut events = Vec::new();
        let (mut most, is_over) = (before.0, Cell::new(false));
        let watched = async {
            loop {
                tokio::select! {
                    event = side.events.recv() => match event {
                        Some(event) => events.push(event),
                        None => break,
                    },
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                }
                most = most.max(resident());
                let is_failed = matches!(events.last(), Some(PeerEvent::Failed(_)));
                if is_failed || is_over.get() && enough(&events) {
                    break;
                }
            }
        };
        let over = async {
            tokio::select! {
                () = watched => {}
                () = async {
                    attack(&mut film, &*channel, &stranger).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    is_over.set(true);
                    std::future::pending::<()>().await;
                } => {}
            }
        };
        tokio::time::timeout(LONG, over).await.expect("the call goes on under attack");
        let (grown, used) = (most - before.0, cpu().saturating_sub(before.1));
        assert!(grown < MOST_BYTES, "{} MB", grown >> 20);
        assert!(used < most_cpu, "{used:?}");
        events
    });
    victim.block_on(side.close());
    events
}

/// Enough, where a call that goes on has nothing to report.
fn anything(_: &[PeerEvent]) -> bool {
    true
}

fn failure(events: &[PeerEvent]) -> Option<&str> {
    match events.last() {
        Some(PeerEvent::Failed(why)) => Some(why),
        _ => None,
    }
}

/// A key frame, as NAL units.
fn key_frame(width: usize, height: usize) -> Vec<Vec<u8>> {
    let coded = Encoder::new(400_000).encode(&Frame::black(width, height), Duration::ZERO, true);
    let stream = coded.unwrap().unwrap().data;
    let starts: Vec<usize> =
        (0..stream.len() - 4).filter(|at| stream[*at..*at + 4] == [0, 0, 0, 1]).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts.iter().zip(ends).map(|(start, end)| stream[start + 4..end].to_vec()).collect()
}

fn units(picture: &[Vec<u8>]) -> Vec<&[u8]> {
    picture.iter().map(Vec::as_slice).collect()
}

/// A sequence parameter set (ITU-T H.264, section 7.3.2.1.1) of the baseline profile, for a picture of so
/// many macroblocks each way.
fn parameters(columns: u32, rows: u32) -> Vec<u8> {
    // Exponential Golomb (section 9.1).
    let number = |value: u32| {
        let code = format!("{:b}", value + 1);
        "0".repeat(code.len() - 1) + &code
    };
    // Its number, frame numbers of four bits, order of decoding, one reference.
    let mut bits: String = [0, 0, 2, 1].map(number).concat();
    // No gaps in frame numbers.
    bits.push('0');
    bits.push_str(&[columns - 1, rows - 1].map(number).concat());
    // Frames only, no 8x8 inference, no cropping, no more parameters, and the end.
    bits.push_str("10001");
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let bytes = bits
        .as_bytes()
        .chunks(8)
        .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')));
    [0x67, 66, 0xC0, 51].into_iter().chain(bytes).collect()
}

/// Each would be answered with a size, or tell the user that the camera was switched.
#[test]
fn messages_without_end_end_the_call() {
    let events = attacked(
        async |_, channel, _| {
            for n in 0.. {
                let text = format!(r#"{{"type":"grid","width":{},"height":200}}"#, 16 + n % 1000);
                if channel.send_text(&text).await.is_err() {
                    // Waiting packets go out first.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        },
        Duration::from_secs(20),
        anything,
    );
    assert!(failure(&events).is_some_and(|why| why.contains("message")), "{events:?}");
}

/// Of no meaning here, each as long as is taken.
#[test]
fn bytes_without_end_end_the_call() {
    let noise = vec![0xAA; 16 << 10];
    let events = attacked(
        async |_, channel, _| {
            loop {
                if channel.send(BytesMut::from(&noise[..])).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        },
        Duration::from_secs(20),
        anything,
    );
    assert!(failure(&events).is_some_and(|why| why.contains("message")), "{events:?}");
}

/// Messages that nobody reads would be kept, 256 a channel.
#[test]
fn channels_full_of_messages_take_no_memory() {
    let noise = vec![0xAA; 16 << 10];
    let sent = Cell::new(0);
    let events = attacked(
        async |_, _, stranger| {
            for n in 0..6 {
                // Until it is closed; of that, the stranger's own library does not always tell.
                let filled = async {
                    let channel = stranger.channel(&format!("files {n}")).await;
                    let first = channel.poll().await;
                    let mut is_open = matches!(first, Some(DataChannelEvent::OnOpen));
                    while is_open && sent.get() < 1_000 * (n + 1) {
                        is_open = channel.send(BytesMut::from(&noise[..])).await.is_ok();
                        sent.set(sent.get() + 1);
                    }
                };
                let _ = tokio::time::timeout(Duration::from_secs(3), filled).await;
            }
        },
        Duration::from_secs(20),
        anything,
    );
    assert_eq!(failure(&events), None, "{events:?}");
    assert!(sent.get() > 0, "none was open");
}

/// Each asks for a key frame, and for packets that were sent long ago.
#[test]
fn requests_without_end_end_the_call() {
    let events = attacked(
        async |film, _, _| {
            loop {
                let key = PictureLossIndication { sender_ssrc: 1, media_ssrc: rand::random() };
                let nacks = nack_pairs_from_sequence_numbers(&[1, 2, 3, 500, 501, 40_000]);
                let missing = TransportLayerNack { nacks, ..Default::default() };
                film.report(vec![Box::new(key), Box::new(missing)]).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        },
        Duration::from_secs(20),
        anything,
    );
    assert!(failure(&events).is_some_and(|why| why.contains("more")), "{events:?}");
}

#[test]
fn two_hundred_sizes_end_the_call() {
    let pictures = [key_frame(640, 480), key_frame(320, 240)];
    let events = attacked(
        async |film, _, _| {
            for n in 0.. {
                film.send(&units(&pictures[n % 2])).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        },
        Duration::from_secs(20),
        anything,
    );
    assert!(failure(&events).is_some_and(|why| why.contains("sizes")), "{events:?}");
}

/// 4096x4096, whose planes alone would take 25 MB each time.
#[test]
fn a_picture_of_sixteen_megapixels_is_refused_before_it_takes_memory() {
    let bomb = [parameters(256, 256), vec![0x68, 0xCE, 0x38, 0x80], vec![0x65; 1_000]];
    let refused = |event: &PeerEvent| {
        matches!(event, PeerEvent::NoPicture(NoPicture::TooLarge { width: 4096, height: 4096 }))
    };
    let events = attacked(
        async |film, _, _| {
            for _ in 0..100 {
                film.send(&units(&bomb)).await;
            }
        },
        Duration::from_secs(10),
        |events| events.iter().any(refused),
    );
    assert_eq!(events.iter().filter(|event| refused(event)).count(), 1, "{events:?}");
    assert_eq!(failure(&events), None);
}

#[test]
fn parameter_sets_without_end_cost_little_and_a_picture_after_them_is_seen() {
    let set = parameters(20, 15);
    let bomb = vec![&set[..]; 400];
    let picture = key_frame(320, 240);
    let events = attacked(
        async |film, _, _| {
            for _ in 0..20 {
                film.send(&bomb).await;
            }
            for _ in 0..100 {
                film.send(&units(&picture)).await;
                tokio::time::sleep(Duration::from_millis(33)).await;
            }
        },
        Duration::from_secs(20),
        |events| events.iter().any(|event| matches!(event, PeerEvent::FirstFrame)),
    );
    assert_eq!(failure(&events), None, "{events:?}");
}

/// As fast as the stranger can; how fast that is decides whether it ends the call.
#[test]
fn a_flood_of_media_is_bounded() {
    let events = attacked(
        async |film, _, _| {
            let junk = [0x61; 1_100];
            for _ in 0..100 {
                film.send(&[&junk[..]; 100]).await;
            }
        },
        Duration::from_secs(60),
        anything,
    );
    assert!(failure(&events).is_none_or(|why| why.contains("more")), "{events:?}");
}
