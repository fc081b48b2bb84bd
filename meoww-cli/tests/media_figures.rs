//! Figures, not tests: run by hand on a quiet machine, in a release build, with
//! `cargo test --release -p meoww-cli --test media_figures -- --ignored --nocapture --test-threads 1`.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]
#![cfg(target_os = "linux")]

mod media;

use std::time::{Duration, Instant};

use media::{
    Side, connect, pair,
    proxy::{self, Network},
};
use meoww_cli::media::scale::Grid;

/// Seconds of processor time this process has used.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn from_open_to_the_first_picture_on_both_sides() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        let (mut a, mut b) = pair().await;
        connect(&mut a, &mut b).await;
        times.push(began.elapsed());
        a.close().await;
        b.close().await;
    }
    times.sort();
    println!("min {:?}, median {:?}, max {:?}", times[0], times[10], times[19]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn processor_time_of_a_call() {
    let seconds = Duration::from_secs(10);
    let lone = (Side::open(true).await, Side::open(true).await);
    let began = processor_time();
    tokio::time::sleep(seconds).await;
    let cameras = (processor_time() - began) / 10.0;
    drop(lone);
    for grid in [Grid::new(160, 90), Grid::FULL] {
        let (mut a, mut b) = pair().await;
        connect(&mut a, &mut b).await;
        a.grid.send_replace(grid);
        b.grid.send_replace(grid);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = processor_time();
        tokio::time::sleep(seconds).await;
        let used = (processor_time() - began) / 10.0;
        println!("{grid:?}: {:.1} % of a core a peer", (used - cameras) * 50.0);
        a.close().await;
        b.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn over_bad_networks() {
    let delay = Duration::from_millis(40);
    let networks = [
        ("perfect", Network::PERFECT),
        ("5 % of loss, 40 ms", Network { loss: 0.05, delay, rate: f64::INFINITY }),
        ("10 % of loss, 40 ms", Network { loss: 0.10, delay, rate: f64::INFINITY }),
        ("300 kbit/s", Network { loss: 0.0, delay, rate: 300e3 }),
        ("150 kbit/s", Network { loss: 0.0, delay, rate: 150e3 }),
    ];
    for (name, network) in networks {
        let (mut a, mut b) = pair().await;
        let conditions = proxy::connect(&mut a, &mut b).await;
        conditions.send_replace(network);
        tokio::time::sleep(Duration::from_secs(2)).await;
        b.peer().stats(Instant::now());
        let (began, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
        while began.elapsed() < Duration::from_secs(10) {
            b.next_stamp().await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        let stats = b.peer().stats(Instant::now());
        println!("{name}: longest freeze {longest:?}, {stats:?}");
        a.close().await;
        b.close().await;
    }
}
