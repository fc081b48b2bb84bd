//! A database that neither works nor ends: its kernel goes on to accept connections, and nothing answers
//! on them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use meoww_proto::UserId;
use meoww_server::store::{DatabaseError, Store, StoreError};
use reqwest::StatusCode;

use crate::{
    engine::{self, Cluster},
    harness::{TestServer, patiently, signup},
    store::{START, account, confirm, create, session},
};

/// Longest a request may take while the database hangs: it waits for a connection, for an answer, and for
/// other tests.
const FEW_SECONDS: Duration = Duration::from_secs(15);

/// A standby that is away, and that nothing waits for until `synchronous_commit` is on.
const STANDBY_IS_AWAY: [(&str, &str); 2] =
    [("synchronous_standby_names", "'*'"), ("synchronous_commit", "local")];

/// The primary, and the host that is promoted in its place.
struct Pair {
    primary: Cluster,
    standby: Cluster,
}

impl Pair {
    async fn start() -> Self {
        let start = || tokio::task::spawn_blocking(|| Cluster::with(&STANDBY_IS_AWAY, None));
        let (primary, standby) = tokio::join!(start(), start());
        let (primary, standby) = (primary.expect("a cluster"), standby.expect("a cluster"));
        // It has the tables, as a copy of the primary would.
        engine::connect(&standby.url("postgres")).await;
        let pair = Self { primary, standby };
        pair.let_standby_write(false).await;
        pair
    }

    fn url(&self) -> String {
        let (one, two) = (self.primary.port, self.standby.port);
        format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{two}/postgres")
    }

    async fn let_standby_write(&self, may_write: bool) {
        let client = engine::client(&self.standby.url("postgres")).await;
        let read_only = if may_write { "off" } else { "on" };
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}");
        client.batch_execute(&set).await.expect("set");
        client.batch_execute("SELECT pg_reload_conf()").await.expect("reloaded");
        patiently(async {
            loop {
                let shown = client.query_one("SHOW transaction_read_only", &[]).await;
                if shown.expect("shown").get::<_, &str>(0) == read_only {
                    break;
                }
            }
        })
        .await;
    }

    /// Stops every process of the primary until the answer is dropped, also by a test that fails.
    fn hang_primary(&self) -> Hanging {
        let file = self.primary.dir.join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("a file");
        let postmaster = text.lines().next().expect("a process").to_owned();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &postmaster]).output();
        let children = String::from_utf8(children.expect("ps runs").stdout).expect("text");
        let mut processes: Vec<_> = children.split_whitespace().map(str::to_owned).collect();
        processes.push(postmaster);
        let hanging = Hanging { processes };
        assert!(hanging.signal("STOP"));
        hanging
    }

    async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(|| {
            self.primary.stop();
            self.standby.stop();
        });
        stopped.await.expect("stopped");
    }
}

/// Processes that stand still.
struct Hanging {
    processes: Vec<String>,
}

impl Hanging {
    fn signal(&self, signal: &str) -> bool {
        let sent = Command::new("kill").args(["-s", signal]).args(&self.processes).status();
        sent.is_ok_and(|status| status.success())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_is_told_and_does_not_hide_the_promoted_standby() {
    let pair = Pair::start().await;
    let server = TestServer::with(|config| {
        config.database = Some(engine::url(&pair.url()));
        config.limits = meoww_server::config::Limits::OFF;
    })
    .await;
    // Connections that stay in the pool.
    let (ada, bob) = tokio::join!(server.sign_up("ada"), server.sign_up("bob"));
    assert_eq!((ada.status, bob.status), (StatusCode::CREATED, StatusCode::CREATED));
    let hanging = pair.hang_primary();
    for name in ["cyd", "dan", "eve"] {
        let began = Instant::now();
        let answer = server.post("/api/auth/signup", signup(name)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.error());
        assert!(answer.headers.contains_key("retry-after"));
        assert!(began.elapsed() < FEW_SECONDS, "{name}: {:?}", began.elapsed());
    }
    pair.let_standby_write(true).await;
    let began = Instant::now();
    let answer = server.sign_up("fay").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.error());
    assert!(began.elapsed() < FEW_SECONDS, "{:?}", began.elapsed());
    // Also of a server that starts now.
    let store = patiently(Store::connect(&engine::url(&pair.url()), 2)).await.expect("connected");
    assert_eq!(store.account_counts().await.expect("counted").accounts, 1);
    drop(hanging);
    pair.stop().await;
}

async fn set(client: &tokio_postgres::Client, setting: &str) {
    let set = format!("ALTER SYSTEM SET {setting}");
    client.batch_execute(&set).await.expect("set");
    client.batch_execute("SELECT pg_reload_conf()").await.expect("reloaded");
    // Each connection hears of it by itself.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Gives tables many pages: changes are then in the way of few others, and more of them reach their commit.
async fn spread(client: &tokio_postgres::Client) {
    for table in ["sessions", "refresh_tokens", "user_sessions"] {
        let fill = format!(
            "INSERT INTO {table} SELECT decode(md5(i::text), 'hex'), '{{}}' \
             FROM generate_series(1, 30000) AS i"
        );
        client.batch_execute(&fill).await.expect("filled");
    }
}

/// A primary that waits for a standby once it is told to.
struct Lonely {
    cluster: Cluster,
    client: tokio_postgres::Client,
}

impl Lonely {
    async fn start() -> Self {
        let cluster = tokio::task::spawn_blocking(|| Cluster::with(&STANDBY_IS_AWAY, None));
        let cluster = cluster.await.expect("a cluster");
        let client = engine::client(&cluster.url("postgres")).await;
        Self { cluster, client }
    }

    /// As the death of the only synchronous standby does, for connections old and new.
    async fn waits_for_a_standby(&self) {
        set(&self.client, "synchronous_commit = on").await;
    }

    async fn waits_for_none(&self) {
        set(&self.client, "synchronous_standby_names = ''").await;
    }

    /// How many connections wait for a standby.
    async fn waiting(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        self.client.query_one(sql, &[]).await.expect("a count").get(0)
    }

    async fn stop(self) {
        tokio::task::spawn_blocking(|| self.cluster.stop()).await.expect("stopped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_standby_takes_is_answered() {
    let database = Lonely::start().await;
    let server = TestServer::with(|config| {
        config.database = Some(engine::url(&database.cluster.url("postgres")));
        config.database_connections = 4;
        config.limits = meoww_server::config::Limits::OFF;
    })
    .await;
    let ada = server.member("ada").await;
    database.waits_for_a_standby().await;
    let names: Vec<String> = (0..12).map(|n| format!("user{n}")).collect();
    let answers = names.iter().map(async |name| {
        let began = Instant::now();
        let answer = server.sign_up(name).await;
        (answer.status, answer.headers.contains_key("retry-after"), began.elapsed())
    });
    for (status, has_retry_after, elapsed) in futures_util::future::join_all(answers).await {
        assert_eq!((status, has_retry_after), (StatusCode::SERVICE_UNAVAILABLE, true));
        assert!(elapsed < FEW_SECONDS, "{elapsed:?}");
    }
    let reading = server.get_as("/api/auth/me", &ada.access).await;
    assert_eq!(reading.status, StatusCode::OK, "what only reads goes on");
    database.waits_for_none().await;
    patiently(async {
        while server.sign_up("bob").await.status != StatusCode::CREATED {
            tokio::task::yield_now().await;
        }
    })
    .await;
    database.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_no_standby_takes_hold_no_more_connections_than_a_pool_has() {
    const POOL: u8 = 4;
    let database = Lonely::start().await;
    let url = engine::url(&database.cluster.url("postgres"));
    let store = Store::connect(&url, POOL.into()).await.expect("connected");
    let users: Vec<_> = (1..=60)
        .map(|n| account(n * 4, &format!("user{n}"), &format!("{n}@example.com")))
        .collect();
    for user in &users {
        create(&store, user, START).await;
        assert!(confirm(&store, user.id, START).await);
    }
    spread(&database.client).await;
    database.waits_for_a_standby().await;
    for users in users.chunks(12) {
        let opened = users.iter().map(|user| {
            let name = user.id.to_string();
            store.open_session(session(user.id, &name, START + time::Duration::days(9)))
        });
        let opened = futures_util::future::join_all(opened).await;
        assert!(opened.iter().all(Result::is_err));
        let waiting = database.waiting().await;
        eprintln!("{waiting} commits wait");
        assert!(waiting <= i64::from(POOL) + 1, "{waiting} connections of a pool of {POOL} wait");
        assert_eq!(
            store.account(users[0].id).await.expect("read").map(|user| user.id),
            Some(users[0].id)
        );
    }
    database.waits_for_none().await;
    let user = users[0].id;
    patiently(async {
        while store.open_session(session(user, "x", START + time::Duration::days(9))).await.is_err()
        {
        }
    })
    .await;
    database.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_at_a_primary_that_hangs_hold_no_place_once_another_host_is_there() {
    let pair = Pair::start().await;
    let store = Store::connect(&engine::url(&pair.url()), 4).await.expect("connected");
    let client = engine::client(&pair.primary.url("postgres")).await;
    spread(&client).await;
    set(&client, "synchronous_commit = on").await;
    let open = |n: u8| {
        let ends = START + time::Duration::days(9);
        store.open_session(session(UserId::from_bytes([n * 8; 12]), &n.to_string(), ends))
    };
    let opened = futures_util::future::join_all((1..=12).map(open)).await;
    assert!(opened.iter().all(Result::is_err));
    let stalled =
        |error: &StoreError| matches!(error, StoreError::Database(DatabaseError::Stalled));
    assert!(open(13).await.is_err_and(|error| stalled(&error)), "three commits wait");
    let hanging = pair.hang_primary();
    pair.let_standby_write(true).await;
    for n in 14..=20 {
        patiently(async { while open(n).await.is_err() {} }).await;
    }
    drop(hanging);
    pair.stop().await;
}
