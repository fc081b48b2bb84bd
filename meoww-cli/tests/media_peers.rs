//! Two real connections in one process, with their signals handed across.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]

mod media;

use std::{collections::VecDeque, time::Duration};

use media::{
    Side, connect, coturn, pair,
    proxy::{self, Network},
    tap::Tap,
};
use meoww_cli::{
    core::event::{PeerEvent, Safety, Way},
    peer::PeerConfig,
    picture::{
        slot::RoomSlot,
        source::pattern,
        wanted::{MOST_FPS, Wanted},
    },
};
use meoww_paint::{Frame, Grid};
use meoww_proto::account::IceServer;
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_arrive_in_order_on_both_sides() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    for side in [&mut a, &mut b] {
        let mut last = side.next_stamp().await;
        for _ in 0..30 {
            let stamp = side.next_stamp().await;
            assert!(stamp.counter > last.counter && stamp.sent.wrapping_sub(last.sent) < 1 << 31);
            last = stamp;
        }
    }
    // A busy machine may look like a narrow path at first.
    a.picture(|picture| picture.width() == 320).await;
    let stats = a.peer().stats(std::time::Instant::now());
    assert!(stats.frames_decoded >= 30 && stats.frames_sent >= 30, "{stats:?}");
    assert_eq!((stats.width, stats.height, stats.relayed), (320, 240, false));
    assert!(stats.kbps_in > 0.0 && stats.kbps_out > 0.0);
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receivers_screen_decides_the_size() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    a.picture(|picture| picture.width() == 320).await;
    for (grid, width) in [(Grid::new(160, 90), 120), (Grid::new(80, 60), 80), (Grid::FULL, 320)] {
        a.wanted.send_replace(Wanted::new(grid, MOST_FPS));
        let stamp = a.picture(|picture| picture.width() == width).await;
        assert!(pattern::read(&stamp).is_some());
    }
    a.close().await;
    b.close().await;
}

/// The camera takes thirty a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_pictures_come_than_are_asked_for() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    a.next_stamp().await;
    a.wanted.send_replace(Wanted::new(Grid::FULL, 10));
    // In units of 100 us: ten intervals of 100 ms, and each a little early.
    let mut sent = VecDeque::from([a.next_stamp().await.sent]);
    while sent.len() < 11 || sent[10].wrapping_sub(sent[0]) < 9_500 {
        sent.push_back(a.next_stamp().await.sent);
        let old = sent.len().saturating_sub(11);
        sent.drain(..old);
    }
    a.wanted.send_replace(Wanted::ALL);
    let mut last = a.next_stamp().await.sent;
    loop {
        let next = a.next_stamp().await.sent;
        if next.wrapping_sub(last) < 500 {
            break;
        }
        last = next;
    }
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goodbye_is_seen_at_once() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    a.next_stamp().await;
    b.next_stamp().await;
    a.close().await;
    b.event(|event| matches!(event, PeerEvent::Bye)).await;
    b.no_picture().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_is_off_leaves_no_picture() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    b.next_stamp().await;
    a.switch_camera(false);
    b.no_picture().await;
    b.event(|event| matches!(event, PeerEvent::Camera { on: false })).await;
    a.switch_camera(true);
    b.next_stamp().await;
    b.event(|event| matches!(event, PeerEvent::Camera { on: true })).await;
    a.close().await;
    b.close().await;
}

/// On a path so long that what was lost comes too late when it is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_pictures_are_made_up_for_by_a_key_frame() {
    let (mut a, mut b) = pair().await;
    let network = proxy::connect(&mut a, &mut b).await;
    let long = Network { delay: Duration::from_millis(300), ..Network::PERFECT };
    network.send_replace(long);
    for _ in 0..3 {
        let before = b.next_stamp().await;
        network.send_replace(Network { loss: 1.0, ..long });
        a.stamp_sent(before.counter + 20).await;
        network.send_replace(long);
        b.stamp(|stamp| stamp.counter > before.counter + 30).await;
    }
    let stats = b.peer().stats(std::time::Instant::now());
    assert!(stats.keyframes_requested > 1 && stats.frames_lost > 0, "{stats:?}");
    a.close().await;
    b.close().await;
}

/// A long and lossy path. Where a packet is asked for again until the picture is due (220 ms, two
/// round trips and a half), a picture of some four packets is lost once in a thousand times:
/// 4 * 0.05^3 = 0.0005. Without repetition it would be 1 - 0.95^4 = 19 % of them, and the pictures
/// that refer to them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_percent_of_loss_is_bearable() {
    let (mut a, mut b) = pair().await;
    let network = proxy::connect(&mut a, &mut b).await;
    let delay = Duration::from_millis(40);
    network.send_replace(Network { loss: 0.05, delay, rate: f64::INFINITY });
    // The call's first pictures may be lost before there is something to repeat them.
    b.next_stamp().await;
    let now = std::time::Instant::now;
    let (sent, decoded) = (a.peer().stats(now()), b.peer().stats(now()));
    let (mut last, mut longest) = (now(), Duration::ZERO);
    for _ in 0..200 {
        b.next_stamp().await;
        longest = longest.max(last.elapsed());
        last = now();
    }
    let (sent, decoded) = (
        a.peer().stats(now()).frames_sent - sent.frames_sent,
        b.peer().stats(now()).frames_decoded - decoded.frames_decoded,
    );
    assert!(decoded * 100 >= sent * 95, "{decoded} of {sent} pictures");
    // Twelve times what a repetition takes, and what people call a freeze.
    assert!(longest < Duration::from_secs(1), "no picture for {longest:?}");
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_get_the_same_safety_words() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    let (words_a, words_b) = (a.safety().await, b.safety().await);
    assert!(matches!(words_a, Safety::Words(_)), "{words_a:?}");
    assert_eq!(words_a, words_b);
    a.close().await;
    b.close().await;
}

/// A server that terminates both calls, each with a certificate of its own, and passes pictures on.
/// `MEOWW_MIDDLE_TRIES=1000` for more than a few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_man_in_the_middle_shows_in_different_safety_words() {
    let tries = std::env::var("MEOWW_MIDDLE_TRIES").map_or(5, |tries| tries.parse().unwrap());
    for _ in 0..tries {
        let ((mut a, mut to_a), (mut to_b, mut b)) = (pair().await, pair().await);
        tokio::join!(connect(&mut a, &mut to_a), connect(&mut to_b, &mut b));
        let (words_a, words_b) = (a.safety().await, b.safety().await);
        assert!(matches!((words_a, words_b), (Safety::Words(_), Safety::Words(_))));
        assert_ne!(words_a, words_b);
        tokio::join!(a.close(), to_a.close(), to_b.close(), b.close());
    }
}

/// Killed, or gone with its network: nothing is said, and nothing comes any more. How long it is waited
/// for is in the tests of `peer/recovery.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_vanished_is_noticed_in_five_seconds() {
    let (mut a, mut b) = pair().await;
    let network = proxy::connect(&mut a, &mut b).await;
    b.next_stamp().await;
    network.send_replace(Network { loss: 1.0, ..Network::PERFECT });
    let lost = b.event(|event| matches!(event, PeerEvent::Reconnecting(_)));
    tokio::time::timeout(Duration::from_secs(5), lost).await.expect("it is not noticed");
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_relay_that_is_silent_relay_only_fails() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = IceServer {
        urls: format!("turn:{}?transport=udp", silent.local_addr().unwrap()),
        username: Some("user".to_owned()),
        credential: Some("secret".to_owned()),
    };
    let config = |is_initiator| PeerConfig {
        ice_servers: vec![server.clone()],
        way: Way::RelayOnly,
        is_initiator,
        room_id: media::room(),
        addresses: media::own_addresses(),
        congestion_control: Default::default(),
    };
    let mut a = Side::open_with(config(true)).await;
    let mut b = Side::open_with(config(false)).await;
    let failed = async {
        loop {
            tokio::select! {
                event = a.events.recv() => if a.pass(event, &b) { return },
                event = b.events.recv() => if b.pass(event, &a) { return },
            }
        }
    };
    // Twice the time in which it has to be said.
    tokio::time::timeout(Duration::from_secs(40), failed).await.unwrap();
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_relay() {
    let relay = coturn::start().await;
    let config = |is_initiator| coturn::config(relay.port, is_initiator, Way::RelayOnly);
    let mut a = Side::open_with(config(true)).await;
    let mut b = Side::open_with(config(false)).await;
    connect(&mut a, &mut b).await;
    b.next_stamp().await;
    assert!(a.peer().stats(std::time::Instant::now()).relayed);
    for said in [a.said(), b.said()] {
        assert!(said.contains("typ relay"), "{said}");
        coturn::assert_names_no_address(&said);
    }
    a.close().await;
    b.close().await;
}

/// An answer is sent when it is there, and does not wait for the next packet or until the question is
/// repeated. Where a machine stands still for a moment, one is repeated for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_handshake_through_a_relay_is_repeated() {
    let relay = coturn::start().await;
    for attempt in 1.. {
        let tap = Tap::before(relay.port).await;
        let config = |is_initiator| coturn::config(tap.port, is_initiator, Way::RelayOnly);
        let mut a = Side::open_with(config(true)).await;
        let mut b = Side::open_with(config(false)).await;
        connect(&mut a, &mut b).await;
        a.close().await;
        b.close().await;
        let (packets, repeated) = tap.handshakes();
        assert!(packets >= 4, "{packets}");
        if repeated == 0 {
            break;
        }
        assert!(attempt < 3, "{repeated} of {packets}");
    }
}

/// Brightness of the first bar, by which patterns are told apart: 81, 145, 41 and 210, and some noise.
fn first_bar(picture: &Frame) -> u8 {
    let [luma, _, _] = picture.planes();
    luma[picture.height() * 3 / 5 * picture.width() + picture.width() / 8]
}

/// The last partner goes on sending, and its pictures are 150 ms under way, when the next call begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_picture_of_the_last_partner_shows_in_the_next_call() {
    let config = |is_initiator| PeerConfig {
        ice_servers: Vec::new(),
        way: Way::Direct,
        is_initiator,
        room_id: media::room(),
        addresses: media::own_addresses(),
        congestion_control: Default::default(),
    };
    let (slot, shown) = watch::channel(None);
    let first = RoomSlot::open(slot.clone());
    let mut last = Side::open_in(first.clone(), shown.clone(), config(true), 0).await;
    let aside = watch::channel(None);
    let mut partner = Side::open_in(RoomSlot::open(aside.0), aside.1, config(false), 1).await;
    let network = proxy::connect(&mut last, &mut partner).await;
    network.send_replace(Network { delay: Duration::from_millis(150), ..Network::PERFECT });
    last.picture(|picture| (130..180).contains(&first_bar(picture))).await;

    first.close();
    let mut seen = slot.subscribe();
    let second = RoomSlot::open(slot);
    let mut next = Side::open_in(second, shown, config(true), 0).await;
    let aside = watch::channel(None);
    let mut third = Side::open_in(RoomSlot::open(aside.0), aside.1, config(false), 2).await;
    let network = proxy::connect(&mut next, &mut third).await;
    network.send_replace(Network { delay: Duration::from_millis(150), ..Network::PERFECT });
    // The last partner's pictures still come, and are decoded.
    let now = std::time::Instant::now;
    let before = last.peer().stats(now()).frames_decoded;
    let mut pictures = 0;
    while pictures < 60 {
        seen.changed().await.unwrap();
        let picture = seen.borrow_and_update().clone();
        let Some(picture) = picture else { continue };
        let bar = first_bar(&picture);
        assert!((30..70).contains(&bar), "a picture of the last partner: {bar}");
        pictures += 1;
    }
    assert!(last.peer().stats(now()).frames_decoded > before + 20);
    for side in [&mut last, &mut partner, &mut next, &mut third] {
        side.close().await;
    }
}
