//! What is PostgreSQL's alone: how a server starts on it and does not, what several share, and what
//! becomes of a server whose database goes away.

use std::path::Path;

use meoww_server::store::{Batch, Creation, DatabaseError, Merge, Store, StoreError};
use reqwest::StatusCode;
use serde_json::json;
use tokio::process::Command;

use crate::{
    engine::{self, Cluster},
    harness::{TestServer, patiently, signup},
    process::{self, Process},
    store::{START, account, confirm, create, session},
};

fn serve(data_dir: &Path, url: &str) -> Command {
    let mut command = process::command(data_dir);
    command.env("MEOWW_DATABASE_URL", url);
    command
}

/// Runs a command to its end; its exit code, and what it said.
async fn run(url: &str, words: &[&str]) -> (i32, String) {
    run_with(&[("MEOWW_DATABASE_URL", url)], words).await
}

pub(crate) async fn run_with(env: &[(&str, &str)], words: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().expect("a directory");
    run_in(dir.path(), env, words).await
}

async fn run_in(dir: &Path, env: &[(&str, &str)], words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meoww-server"));
    command.env_clear().envs(env.iter().copied()).arg("--data-dir").arg(dir);
    let output = patiently(command.args(words).output()).await.expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("a code"), String::from_utf8(text).expect("text"))
}

async fn demand_refusal(url: &str, code: i32, words: &str) {
    demand_refusal_with(&[("MEOWW_DATABASE_URL", url)], code, words).await;
}

/// Neither does it start with these settings, nor does the check find them good.
pub(crate) async fn demand_refusal_with(env: &[(&str, &str)], code: i32, words: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = process::command(dir.path());
    command.envs(env.iter().copied());
    let (exit, said) = process::failure(command).await;
    assert_eq!(exit, code, "{said}");
    assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
    let (exit, said) = run_in(dir.path(), env, &["config", "check"]).await;
    assert_eq!(exit, code, "{said}");
    assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn each_reason_not_to_start_has_its_sentence_and_exit_code() {
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let cluster = tokio::task::spawn_blocking(|| Cluster::with(&[], Some(rules)));
    let cluster = cluster.await.expect("a cluster");
    let admin = engine::client(&cluster.url("postgres")).await;
    let make = "CREATE ROLE ada LOGIN PASSWORD 'hunter2'; CREATE ROLE bob LOGIN;
                ALTER ROLE bob SET default_transaction_read_only = on;";
    admin.batch_execute(make).await.expect("made");
    admin.batch_execute("CREATE DATABASE meoww OWNER ada").await.expect("made");
    let at = format!("127.0.0.1:{}", cluster.port);
    let good = format!("postgres://ada:hunter2@{at}/meoww");

    demand_refusal("mysql://ada:hunter2@one/meoww", 3, "is no postgres://").await;
    let nobody = format!("postgres://ada:hunter2@127.0.0.1:{}/meoww", engine::free_port());
    demand_refusal(&nobody, 11, "cannot be reached").await;
    demand_refusal(&good.replace("hunter2", "hunter3"), 12, "refuses user and password").await;
    demand_refusal(&good.replace(":hunter2", ""), 12, "refuses user and password").await;
    demand_refusal(&good.replace("/meoww", "/meooow"), 13, "\"meooow\" does not exist").await;
    let standby = cluster.url("meoww").replace("postgres@", "bob@");
    demand_refusal(&standby, 15, "takes no writes").await;
    demand_refusal(&format!("{good}?sslmode=require"), 16, "no TLS with the database").await;

    let (exit, said) = run(&good, &["db", "migrate", "--dry-run"]).await;
    assert!(exit == 0 && said.contains("make the tables"), "{said}");
    let (exit, said) = run(&good, &["db", "migrate"]).await;
    assert!(exit == 0 && said.contains("make the tables"), "{said}");
    let (exit, said) = run(&good, &["db", "migrate"]).await;
    assert!(exit == 0 && said.contains("up to date"), "{said}");
    let (exit, said) = run(&good, &["config", "show"]).await;
    assert!(exit == 0 && said.contains("(hidden)") && !said.contains("hunter2"), "{said}");

    let client = engine::client(&cluster.url("meoww")).await;
    let newer = "UPDATE meta SET value = '1000' WHERE key = 'version'";
    client.batch_execute(newer).await.expect("written");
    demand_refusal(&good, 14, "has version 1000 of the tables").await;
    cluster.stop();
}

#[tokio::test]
async fn a_server_remembers_and_one_with_another_secret_is_refused() {
    let url = engine::fresh_database().await;
    let [first, second, third] = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let server = Process::spawn(&mut serve(first.path(), &url)).await;
    let http = reqwest::Client::new();
    let sign_up = format!("{}/api/auth/signup", server.url);
    let (status, _) = Process::post(&http, &sign_up, &signup("ada")).await.expect("an answer");
    assert_eq!(status, StatusCode::CREATED);
    assert!(!first.path().join("db").exists(), "sled is not begun");

    let (exit, said) = process::failure(serve(second.path(), &url)).await;
    assert_eq!(exit, 17, "{said}");
    assert!(said.contains("`access` in secrets.toml"), "{said}");
    // The check says so as well, also where the server would only make its secrets.
    let (env, fresh) =
        ([("MEOWW_DATABASE_URL", url.as_str())], tempfile::tempdir().expect("a directory"));
    for dir in [&second, &fresh] {
        let (exit, said) = run_in(dir.path(), &env, &["config", "check"]).await;
        assert!(exit == 17 && said.contains("`access` in secrets.toml"), "{exit} {said}");
    }
    assert!(!fresh.path().join("secrets.toml").exists(), "the check makes nothing");
    let (exit, said) = run_in(first.path(), &env, &["config", "check"]).await;
    assert_eq!(exit, 0, "{said}");
    // With the same secrets, it is another node of the same.
    let secrets = first.path().join("secrets.toml");
    std::fs::copy(&secrets, third.path().join("secrets.toml")).expect("copied");
    let other = Process::spawn(&mut serve(third.path(), &url)).await;
    let sign_up = format!("{}/api/auth/signup", other.url);
    let (status, body) = Process::post(&http, &sign_up, &signup("ada")).await.expect("an answer");
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("TAKEN")));
    server.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_that_change_the_same_come_one_after_the_other() {
    let url = engine::fresh_database().await;
    let stores = [engine::connect(&url).await, engine::connect(&url).await];
    let (one, other) = (stores[0].next_node_id().await, stores[1].next_node_id().await);
    assert_eq!((one.expect("an id"), other.expect("an id")), (1, 2));
    // Of many who want one name at once, one gets it.
    let sign_ups = (1..=16).map(|n| {
        let store = stores[usize::from(n % 2)].clone();
        let account = account(n, "ada", &format!("{n}@example.com"));
        tokio::spawn(async move { create(&store, &account, START).await })
    });
    let mut created = 0;
    for sign_up in sign_ups.collect::<Vec<_>>() {
        created += usize::from(sign_up.await.expect("no panic") == Creation::Created);
    }
    assert_eq!(created, 1);
    // Sessions of one user, whose list each of them changes, are all there.
    let bob = account(100, "bob", "bob@example.com");
    create(&stores[0], &bob, START).await;
    assert!(confirm(&stores[0], bob.id, START).await);
    let opened = (0..12).map(|n| {
        let (store, ends) = (stores[n % 2].clone(), START + time::Duration::days(9));
        let session = session(bob.id, &format!("token {n}"), ends);
        tokio::spawn(async move { store.open_session(session).await.expect("stored") })
    });
    for opened in opened.collect::<Vec<_>>() {
        opened.await.expect("no panic");
    }
    assert_eq!(stores[1].sessions_of(bob.id, START).await.expect("read").len(), 13);
    assert_eq!(stores[1].check().await.expect("checked").1, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_whole_or_not_there_beside_others_who_write() {
    let url = engine::fresh_database().await;
    let stores = [engine::connect(&url).await, engine::connect(&url).await];
    let batch = |first: u8| {
        let accounts = (first..first + 60).map(|n| {
            let mut account = account(n, &format!("user{n}"), &format!("{n}@example.com"));
            account.is_verified = true;
            (u64::from(n), account)
        });
        Batch::of_accounts(accounts)
    };
    let merge = Merge { into_existing: true, ..Merge::default() };
    let squatters = tokio::spawn({
        let store = stores[1].clone();
        async move {
            for n in 1..=60 {
                let name = format!("user{n}");
                create(&store, &account(100 + n, &name, &format!("{n}@example.org")), START).await;
            }
        }
    });
    let imported = stores[0].import(batch(1), merge).await.expect("imported");
    squatters.await.expect("no panic");
    let (counts, findings) = stores[1].check().await.expect("checked");
    assert_eq!(findings, []);
    let accounts = counts.iter().find(|(kind, _)| kind == "account").expect("a kind").1;
    // All of the import, or all of those whom it would have kept out.
    assert_eq!(accounts, 60, "{:?}", imported.faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_told_and_comes_back() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.expect("a cluster");
    let url = cluster.url("postgres");
    let server = TestServer::with(|config| config.database = Some(engine::url(&url))).await;
    let answer = server.post("/api/auth/signup", signup("ada")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    // Every connection of the pool breaks, as when a primary fails; there are new ones at once.
    let admin = engine::client(&url).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> \
                pg_backend_pid() AND backend_type = 'client backend'";
    admin.batch_execute(kill).await.expect("killed");
    patiently(async {
        loop {
            let answer = server.post("/api/auth/signup", signup("bob")).await;
            match answer.status {
                StatusCode::CREATED => break,
                status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
            }
        }
    })
    .await;
    tokio::task::spawn_blocking(|| cluster.stop()).await.expect("stopped");
    let answer = server.post("/api/auth/signup", signup("cyd")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.error());
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_pool_without_a_free_connection_says_so() {
    let url = engine::fresh_database().await;
    let store = Store::connect(&engine::url(&url), 1).await.expect("connected");
    let mut locked = engine::client(&url).await;
    let lock = locked.transaction().await.expect("begun");
    lock.batch_execute("LOCK TABLE accounts").await.expect("locked");
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.account(account(1, "ada", "ada@example.com").id).await }
    });
    // Its statement waits for the lock, and the next for its connection.
    let blocked = "SELECT count(*) FROM pg_stat_activity \
                   WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while lock.query_one(blocked, &[]).await.expect("a count").get::<_, i64>(0) == 0 {}
    let refused = store.account_counts().await;
    assert!(matches!(
        refused,
        Err(StoreError::Database(DatabaseError::Exhausted | DatabaseError::Away(_)))
    ));
    lock.rollback().await.expect("ended");
    assert!(matches!(
        waiting.await.expect("no panic"),
        Ok(None) | Err(StoreError::Database(DatabaseError::Away(_)))
    ));
    assert_eq!(store.account_counts().await.expect("counted").accounts, 0);
}
