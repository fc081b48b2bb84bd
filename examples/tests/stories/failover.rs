//! A primary of PostgreSQL that is killed, and its synchronous standby, which takes its place.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use meoww_examples::fleet::{Fleet, Layout};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
};

/// Sign-ups that a writer sees acknowledged, on average before the primary is killed, and after.
const ENOUGH: usize = 5;
const WRITERS: usize = 4;

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    node: String,
}

impl Client {
    fn of(fleet: &Fleet) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { http: reqwest::Client::new(), node: fleet.nodes[0].url.clone() }
    }

    /// Signs up, and returns whether that was acknowledged; 503 is the only other answer there may be
    /// to the first try.
    async fn sign_up(&self, username: &str) -> bool {
        self.sign_up_by(username, false).await
    }

    async fn sign_up_by(&self, username: &str, mut is_repeated: bool) -> bool {
        loop {
            let (status, code) = self.try_to_sign_up(username).await;
            match status {
                StatusCode::CREATED => return true,
                StatusCode::BAD_REQUEST if is_repeated && code == "TAKEN" => return false,
                status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{code}"),
            }
            is_repeated = true;
        }
    }

    async fn try_to_sign_up(&self, username: &str) -> (StatusCode, Value) {
        let account = json!({
            "name": username,
            "username": username,
            "email": format!("{username}@example.org"),
            "password": "correct horse battery",
        });
        let request = self.http.post(format!("{}/api/auth/signup", self.node));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let answer = request.body(account.to_string()).send().await.expect("an answer");
        let status = answer.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(answer.headers().contains_key(header::RETRY_AFTER));
        }
        let body: Value = serde_json::from_str(&answer.text().await.expect("text")).expect("JSON");
        (status, body["code"].clone())
    }
}

async fn start() -> Fleet {
    let start = || Fleet::start(&Layout::here(1, 0, 2), &[]).expect("a node on two databases");
    spawn_blocking(start).await.expect("started")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_sign_up_is_lost_with_the_primary() {
    let mut fleet = start().await;
    let client = Client::of(&fleet);
    let (is_promoted, done) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, is_promoted, done) = (client.clone(), is_promoted.clone(), done.clone());
        writers.spawn(async move {
            let (mut acknowledged, mut since) = (Vec::new(), 0);
            for n in 0.. {
                let is_after = is_promoted.load(SeqCst);
                let username = format!("writer{writer}_{n}");
                if client.sign_up(&username).await {
                    acknowledged.push(username);
                    done.add_permits(1);
                    since += usize::from(is_after);
                }
                if since == ENOUGH {
                    break;
                }
            }
            acknowledged
        });
    }
    let enough = u32::try_from(WRITERS * ENOUGH).expect("few");
    done.acquire_many(enough).await.expect("open").forget();
    let fleet = spawn_blocking(move || {
        fleet.databases[0].kill();
        fleet.databases[1].promote().expect("promoted");
        fleet
    });
    let fleet = fleet.await.expect("killed");
    is_promoted.store(true, SeqCst);
    let acknowledged: BTreeSet<String> = writers.join_all().await.into_iter().flatten().collect();
    assert!(acknowledged.len() >= 2 * WRITERS * ENOUGH);
    let kept = spawn_blocking(move || fleet.usernames()).await.expect("no panic").expect("read");
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// The commit waits for a standby that stands still, and its primary dies meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_unknown_outcome_is_answered_503_and_can_be_repeated() {
    let fleet = start().await;
    let client = Client::of(&fleet);
    fleet.databases[1].set_stopped(true);
    let mut first = JoinSet::new();
    first.spawn({
        let client = client.clone();
        async move { client.try_to_sign_up("ada").await }
    });
    let killed = spawn_blocking(move || {
        let mut fleet = fleet;
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        while fleet.databases[0].sql(waits).expect("a count") == "0" {}
        fleet.databases[0].kill();
        fleet
    });
    let fleet = killed.await.expect("killed");
    let answers = first.join_all().await;
    assert_eq!(answers[0].0, StatusCode::SERVICE_UNAVAILABLE);
    let fleet = spawn_blocking(move || {
        fleet.databases[1].set_stopped(false);
        fleet.databases[1].promote().expect("promoted");
        fleet
    });
    let fleet = fleet.await.expect("promoted");
    // Created now, or found to have been: never twice, and never lost.
    client.sign_up_by("ada", true).await;
    let kept = spawn_blocking(move || fleet.usernames()).await.expect("no panic").expect("read");
    assert!(kept.contains("ada"));
}
