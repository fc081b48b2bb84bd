//! Two real connections in one process, with their signals handed across.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]

mod media;

use std::time::Duration;

use media::{Side, connect, pair, picture};
use meoww_cli::{core::event::PeerEvent, media::scale::Grid};

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
        a.grid.send_replace(grid);
        let stamp = a.picture(|picture| picture.width() == width).await;
        assert!(picture::read(&stamp).is_some());
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
    assert!(b.shown().is_none(), "the picture went with the partner");
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_is_off_leaves_no_picture() {
    let (mut a, mut b) = pair().await;
    connect(&mut a, &mut b).await;
    b.next_stamp().await;
    a.switch_camera(false);
    b.no_picture().await;
    a.switch_camera(true);
    b.next_stamp().await;
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_relay_relay_only_fails() {
    let mut a = Side::open(true, true).await;
    let mut b = Side::open(false, true).await;
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
