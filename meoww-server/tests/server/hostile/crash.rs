//! Killed at random points under mixed writes, again and again on one data directory: what was
//! acknowledged stays, what was not is there wholly or not at all, and the indices agree.

pub(super) mod disk;
mod outcasts;
mod people;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use self::{
    disk::Disk,
    outcasts::Outcasts,
    people::{Acknowledged, Client},
};
use crate::{
    cases,
    process::{Process, command},
};

const CLIENTS: usize = 10;

/// Any seed can be run again by `MEOWW_TEST_SEED`; with real processes it brings back the same
/// plan, not the same microsecond.
pub(super) fn seed() -> u64 {
    let said = std::env::var("MEOWW_TEST_SEED").ok().and_then(|text| text.parse().ok());
    said.unwrap_or_else(|| rand::rng().random())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills() {
    let seed = seed();
    println!("MEOWW_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|n| Client::new(n, StdRng::seed_from_u64(rng.random()))).collect();
    let mut outcasts = Outcasts::create(dir.path()).await;
    let mut done = Acknowledged::default();
    let mut round = 0;
    while round < cases().div_ceil(64) || !done.has_every_kind() {
        (clients, outcasts) = one_round(dir.path(), clients, outcasts, &mut rng).await;
        let disk = Disk::read(&dir.path().join("db"));
        disk.check();
        for client in &mut clients {
            client.compare(&disk, &dir.path().join("outbox"));
        }
        outcasts.compare(&disk);
        println!("round {round}: {disk:?}");
        done = clients.iter().map(|client| client.acknowledged).sum();
        round += 1;
    }
    let (blocks, bans) = (outcasts.blocks.len(), outcasts.banned.len());
    println!("acknowledged: {done:?}, {blocks} blocks, {bans} bans");
    assert!(blocks >= 5 && bans >= 5, "{blocks} {bans}");
}

/// Starts the server, lets everybody write, and kills it in the middle.
async fn one_round(
    data: &Path,
    clients: Vec<Client>,
    mut outcasts: Outcasts,
    rng: &mut StdRng,
) -> (Vec<Client>, Outcasts) {
    let mut command = command(data);
    command.envs(outcasts.environment());
    for limit in ["VERIFY", "ACCOUNT_LOGIN", "ACCOUNT_CODE"] {
        command.env(format!("MEOWW_LIMIT_{limit}"), "off");
    }
    let mut process = Process::spawn(command.stderr(std::process::Stdio::null())).await;
    let answers = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    for mut client in clients {
        let (url, outbox, answers) = (process.url.clone(), data.join("outbox"), answers.clone());
        running.spawn(async move {
            client.write_until_gone(&url, &outbox, &answers).await;
            client
        });
    }
    let (url, counted) = (process.url.clone(), answers.clone());
    let meeting = tokio::spawn(async move {
        outcasts.meet_until_gone(&url, &counted).await;
        outcasts
    });
    let enough = rng.random_range(1..200);
    while answers.load(Ordering::Relaxed) < enough {
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..5000))).await;
    }
    process.kill().await;
    (running.join_all().await, meeting.await.expect("no panic"))
}
