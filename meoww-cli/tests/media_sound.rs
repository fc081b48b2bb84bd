//! The sound of two real connections, as the packets that carry it.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]

mod media;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media::{
    FRAME, Side, connect, frame, pair,
    proxy::{self, Network},
    stranger::Stranger,
    talk, talk_of,
};
use meoww_cli::{
    core::event::PeerEvent,
    sound::room::{OpusFrame, OpusPacket, Playing, Received},
};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);
impl Side {
    async fn received(&mut self) -> Received {
        tokio::time::timeout(LONG, self.heard.recv()).await.expect("nothing is heard").unwrap()
    }

    async fn packet(&mut self) -> OpusPacket {
        loop {
            if let Received::Packet(packet) = self.received().await {
                return packet;
            }
        }
    }
}

/// The number in a packet of [`talk`].
fn number(packet: &OpusPacket) -> u32 {
    let text = std::str::from_utf8(&packet.payload).unwrap();
    text.strip_prefix("frame ").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_in_order_with_their_times_on_both_sides() {
    let (mut a, mut b) = pair().await;
    assert!(!*a.live.borrow() && !*b.live.borrow(), "not before there is a picture");
    connect(&mut a, &mut b).await;
    assert!(*a.live.borrow() && *b.live.borrow());
    let talks = [a.voice.clone(), b.voice.clone()].map(|voice| tokio::spawn(talk(voice)));
    for side in [&mut a, &mut b] {
        let first = side.packet().await;
        for _ in 0..50 {
            let packet = side.packet().await;
            let since = number(&packet) - number(&first);
            assert_eq!(packet.timestamp.wrapping_sub(first.timestamp), since * FRAME);
            assert_eq!(u32::from(packet.sequence.wrapping_sub(first.sequence)), since);
            assert_eq!(packet.ssrc, first.ssrc);
        }
        assert!((24_000..=40_000).contains(&*side.bitrate.borrow()));
    }
    a.close().await;
    b.close().await;
    for talk in talks {
        tokio::time::timeout(LONG, talk).await.expect("the room's sound goes on").unwrap();
    }
}

/// A strange sender's clock jumps ahead by ten minutes, back to the beginning, and stands still: each packet
/// arrives with its time, and what is played of it is for the jitter buffer to decide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timestamps_that_jump_and_repeat_end_nothing() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    let voice = a.voice.clone();
    let times: [u32; 8] = [0, 960, 28_800_000, 28_800_960, 0, 0, 1 << 31, 960];
    let talk = tokio::spawn(async move {
        let mut due = tokio::time::interval(Duration::from_millis(20));
        for n in 0.. {
            due.tick().await;
            let timestamp = times[n as usize % times.len()];
            if voice.send(OpusFrame { timestamp, ..frame(n) }).await.is_err() {
                return;
            }
        }
    });
    let first = b.packet().await;
    let time_of = |packet: &OpusPacket| times[number(packet) as usize % times.len()];
    for _ in 0..32 {
        let packet = b.packet().await;
        let since = time_of(&packet).wrapping_sub(time_of(&first));
        assert_eq!(packet.timestamp.wrapping_sub(first.timestamp), since);
    }
    a.close().await;
    b.close().await;
    tokio::time::timeout(LONG, talk).await.expect("the room's sound goes on").unwrap();
}

/// A stranger talks, and begins anew as another source when told so; its frames are counted from the next
/// thousand then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changes_is_still_heard() {
    let (mut side, (mut stranger, mut voice)) =
        (Side::open(false).await, Stranger::talking().await);
    let _channel = stranger.channel("meoww").await;
    stranger.call(&mut side).await;
    stranger.until(&mut side, |event| matches!(event, PeerEvent::Connected { .. })).await;
    let (change, mut changed) = tokio::sync::watch::channel(());
    let talk = tokio::spawn(async move {
        let mut due = tokio::time::interval(Duration::from_millis(20));
        let mut n = 0_u32;
        loop {
            due.tick().await;
            if changed.has_changed().unwrap_or_default() {
                changed.mark_unchanged();
                n = n.next_multiple_of(1000) + 1000;
                voice.change_source();
            }
            voice.send(&frame(n).payload).await;
            n += 1;
        }
    });
    let first = side.packet().await;
    let mut last = number(&first);
    for _ in 0..3 {
        change.send_replace(());
        let due = last.next_multiple_of(1000) + 1;
        while last < due {
            let packet = side.packet().await;
            assert_eq!(packet.ssrc, first.ssrc, "the library knows no other");
            last = number(&packet);
        }
    }
    talk.abort();
    side.close().await;
}

/// Reports on the sender's clock keep sound and picture together, and those on losses set the error
/// correction. The microphone of the sender holds sound back for 300 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_come_through() {
    let (mut a, mut b) = pair().await;
    let network = proxy::connect(&mut a, &mut b).await;
    tokio::spawn(talk_of(a.voice.clone(), Duration::from_millis(300)));
    let first = b.packet().await;
    let mut last = first.clone();
    let mut reports = Vec::new();
    while reports.len() < 2 {
        match b.received().await {
            Received::Packet(packet) => last = packet,
            Received::SenderReport { ntp, timestamp } => {
                // Sound of that moment is still in the microphone: at least 300 ms, less a frame.
                let ahead = timestamp.wrapping_sub(last.timestamp).cast_signed();
                assert!((13_440..96_000).contains(&ahead), "{ahead} samples after the last packet");
                reports.push((ntp, timestamp));
            }
        }
    }
    let [(ntp, timestamp), (later, then)] = reports[..] else { unreachable!() };
    let by_clock = (later - ntp) as f64 / 2_f64.powi(32);
    let by_stream = f64::from(then.wrapping_sub(timestamp)) / 48_000.0;
    assert!((by_clock - by_stream).abs() < 0.1, "{by_clock} s, {by_stream} s");
    assert_eq!(*a.loss_percent.borrow(), 0);
    network.send_replace(Network { loss: 0.2, ..Network::PERFECT });
    tokio::spawn(async move { while b.heard.recv().await.is_some() {} });
    let lost = a.loss_percent.wait_for(|percent| *percent >= 5);
    tokio::time::timeout(LONG, lost).await.expect("the loss is not reported").unwrap();
    a.close().await;
}

/// Says that sound is played so long after it was made, until the room is over.
async fn play_late(playing: tokio::sync::watch::Sender<Option<Playing>>, late: Duration) {
    let mut due = tokio::time::interval(Duration::from_millis(10));
    while !playing.is_closed() {
        due.tick().await;
        let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - late;
        // NTP counts from 1900 (RFC 5905, section 6).
        let fraction = (u64::from(made.subsec_nanos()) << 32) / 1_000_000_000;
        let ntp = ((made.as_secs() + 2_208_988_800) << 32) + fraction;
        playing.send_replace(Some(Playing { ntp, at: Instant::now() }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_wait_for_their_sound() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    tokio::spawn(play_late(b.playing.clone(), Duration::from_millis(280)));
    let mut late = 0;
    while late < 20 {
        let shown = b.next_stamp().await.counter;
        // 40 ms between picture and sound are not noticed; the others are seven pictures.
        late = if a.filmed().wrapping_sub(shown) >= 5 { late + 1 } else { 0 };
    }
    a.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_always_has_sound_in_the_stream_of_the_video() {
    let mut side = Side::open(true).await;
    let offer = side.event(|event| matches!(event, PeerEvent::LocalOffer(_))).await;
    side.close().await;
    let PeerEvent::LocalOffer(offer) = offer else { unreachable!() };
    let offer: serde_json::Value = serde_json::from_str(offer.get()).unwrap();
    let sections: Vec<&str> = offer["sdp"].as_str().unwrap().split("\r\nm=").skip(1).collect();
    let kinds: Vec<&str> = sections.iter().map(|s| s.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["application", "video", "audio"]);
    let audio = sections[2];
    for line in [
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1",
        "a=rtcp-fb:111 transport-cc",
        "a=sendrecv",
    ] {
        assert!(audio.lines().any(|present| present.trim_end() == line), "{line} of {audio}");
    }
    assert!(!audio.contains("nack"), "{audio}");
    let msid = |section: &str| {
        let line = section.lines().find_map(|line| line.strip_prefix("a=msid:")).unwrap();
        let (stream, track) = line.trim_end().split_once(' ').unwrap();
        (stream.to_owned(), track.to_owned())
    };
    let (video, sound) = (msid(sections[1]), msid(audio));
    assert_eq!(video.0, sound.0);
    assert_ne!(video.1, sound.1);
}

/// An older client, or a page that has none: the call goes on without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_without_sound_is_a_call_that_says_so() {
    for is_initiator in [true, false] {
        let (mut side, mut stranger) = (Side::open(is_initiator).await, Stranger::new().await);
        let _channel = stranger.channel("meoww").await;
        if !is_initiator {
            stranger.call(&mut side).await;
        }
        let connected = |event: &PeerEvent| matches!(event, PeerEvent::Connected { .. });
        let events = stranger.until(&mut side, connected).await;
        let said = events.iter().filter(|event| matches!(event, PeerEvent::NoSound)).count();
        assert_eq!(said, 1, "{events:?}");
        side.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_is_told_of_a_muted_microphone() {
    let (mut a, mut b) = pair().await;
    // Before there is a way to say it, and after.
    a.sound_on.send_replace(false);
    let told = async {
        loop {
            let (event, failed) = tokio::select! {
                event = a.events.recv() => (None, a.pass(event, &b)),
                event = b.events.recv() => match event {
                    Some(PeerEvent::Sound { on }) => (Some(on), false),
                    event => (None, b.pass(event, &a)),
                },
            };
            assert!(!failed);
            if let Some(on) = event {
                return on;
            }
        }
    };
    assert!(!tokio::time::timeout(LONG, told).await.expect("the partner is not told"));
    a.sound_on.send_replace(true);
    b.event(|event| matches!(event, PeerEvent::Sound { on: true })).await;
    b.sound_on.send_replace(false);
    a.event(|event| matches!(event, PeerEvent::Sound { on: false })).await;
    a.close().await;
    b.close().await;
}

/// More than anything takes: dropped, and the connection stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_nobody_takes_ends_nothing() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    for n in 0..5_000 {
        a.voice.send(frame(n)).await.unwrap();
    }
    b.next_stamp().await;
    a.next_stamp().await;
    tokio::spawn(talk(a.voice.clone()));
    // Past all of the flood that waits.
    let wanted = |packet: &OpusPacket| number(packet) > 10 && number(packet) < 100;
    while !wanted(&b.packet().await) {}
    a.close().await;
    b.close().await;
}
