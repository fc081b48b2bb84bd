//! An export is of one moment, whatever is written while it is.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use meoww_proto::{RoomId, UserId};
use meoww_server::{
    core::{
        account::{Account, Ban, Email, Name, Username},
        otp::{Challenge, Presenter, Subject},
        safety::{Block, Report, ReportId},
        session::{ClientName, RefreshToken, Session, SessionId},
    },
    store::{Batch, Merge, NewSession, Store},
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use time::{Duration, OffsetDateTime};
use tokio::{
    runtime::{Handle, Runtime},
    task::JoinHandle,
};

use crate::{
    engine::{self, Cluster, on_both_engines},
    export::exported,
};

/// Accounts there at first: more than an export reads in one step.
const ACCOUNTS: u32 = 1500;
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn user(n: u32) -> UserId {
    let mut id = [7; 12];
    // Bytes that differ first, so that ids of newcomers fall between those that are there.
    id[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B9).to_be_bytes());
    UserId::from_bytes(id)
}

fn account(n: u32) -> Account {
    Account {
        id: user(n),
        name: Name::parse("Ada").expect("a name"),
        username: Username::parse(&format!("ada{n}")).expect("a username"),
        email: Email::parse(&format!("ada{n}@example.com")).expect("an address"),
        password_hash: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into(),
        profile_image: String::new(),
        is_verified: true,
        created_at: NOW,
        ban: None,
    }
}

fn session(of: u32, days: i64) -> NewSession {
    let current = RefreshToken::generate(&mut rand::rng()).digest();
    let ends = NOW + Duration::days(days);
    let session = Session::open(user(of), current, ClientName::default(), NOW, ends);
    NewSession { id: SessionId::generate(&mut rand::rng()), session }
}

async fn fill(store: &Store, rng: &mut SmallRng) {
    let mut batch = Batch::of_accounts((0..ACCOUNTS).map(|n| (u64::from(n), account(n))));
    for n in (0..ACCOUNTS).step_by(2) {
        batch.add_session(&session(n, rng.random_range(1..30)));
    }
    let imported = store.import(batch, Merge::default()).await.expect("imported");
    assert_eq!(imported.faults, []);
}

/// Something that changes what is stored: a record that is new, other or gone, of any kind.
async fn change(store: &Store, rng: &mut SmallRng) {
    let (n, other) = (rng.random_range(0..ACCOUNTS * 2), rng.random_range(0..ACCOUNTS));
    let id = user(n);
    let challenge = Challenge::generate(&[1; 32], Subject::SignUp(id), &mut rand::rng(), NOW);
    let email = account(n).email;
    let done = match rng.random_range(0..11) {
        0 => store.create_account(account(n), challenge, NOW).await.map(drop),
        1 => store.delete_account(id).await.map(drop),
        2 => store.log_in(session(n, 30), account(n).password_hash).await.map(drop),
        3 => store.end_sessions_of(id, None).await,
        4 => store.set_profile_image(id, format!("/photo{other}")).await.map(drop),
        5 => store.begin_reset(email, challenge, Presenter::Anyone, NOW).await.map(drop),
        6 => {
            let email = account(n + 2 * ACCOUNTS).email;
            store.begin_address_change(user(other), email, challenge, NOW).await.map(drop)
        }
        7 => {
            let room = RoomId::from_uuid(uuid::Uuid::from_u128(rng.random()));
            store.add_block(id, Block { room, blocked: user(other), since: NOW }).await
        }
        8 => {
            let room = RoomId::from_uuid(uuid::Uuid::from_u128(rng.random()));
            // Nobody meets, and reports, themselves.
            let other = if other == n { (n + 1) % ACCOUNTS } else { other };
            let (reporter, reported) = (Some(id), Some(user(other)));
            let (reason, lines, resolution) = ("rude".to_owned(), Vec::new(), None);
            let report =
                Report { room, reporter, reported, reason, lines, filed_at: NOW, resolution };
            let id = ReportId::generate(NOW, &mut rand::rng());
            store.file_report(id, report).await.map(drop)
        }
        9 => store.set_ban(id, Some(Ban { reason: "rude".into(), until: None })).await.map(drop),
        _ => store.reissue_otp(id, challenge, NOW).await.map(drop),
    };
    done.expect("stored");
}

/// What is wrong with an export: nothing may be, and it is brought back as it is.
async fn demand_whole(export: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("db")).expect("opened");
    let batch = Batch::parse(export.as_bytes());
    let batch = batch.unwrap_or_else(|faults| panic!("{faults:?}"));
    let imported = store.import(batch, Merge::default()).await.expect("imported");
    assert_eq!((&imported.faults[..], imported.orphans), (&[][..], 0));
    assert_eq!(store.check().await.expect("checked").1, []);
    assert!(exported(&store).await == export, "brought back as something else");
}

/// Takes an export and writes to the store each time it is given some of it.
struct Meddler {
    export: Vec<u8>,
    store: Store,
    runtime: Handle,
    rng: SmallRng,
}

impl Write for Meddler {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { store, runtime, rng, .. } = self;
        runtime.block_on(async {
            for _ in 0..rng.random_range(0..12) {
                change(store, rng).await;
            }
        });
        self.export.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn an_export_is_of_the_moment_it_began(seed: u64) {
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let dir = tempfile::tempdir().expect("a directory");
            let store = Store::open(&dir.path().join("db")).expect("opened");
            demand_one_moment(&store, seed).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_postgres_is_of_the_moment_it_began() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    demand_one_moment(&engine::connect(&engine::fresh_database().await).await, seed).await;
}

/// Exports a store that is written to meanwhile.
async fn demand_one_moment(store: &Store, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    fill(store, &mut rng).await;
    for _ in 0..50 {
        change(store, &mut rng).await;
    }
    let before = exported(store).await;
    let runtime = Handle::current();
    let meddler = Meddler { export: Vec::new(), store: store.clone(), runtime, rng };
    let (meddler, _) = store.export(meddler).await.expect("exported");
    let export = String::from_utf8(meddler.export).expect("text");
    assert!(export == before, "something of later is in it");
    let after = exported(store).await;
    assert!(after != before, "it was written to meanwhile");
    for export in [before, after] {
        demand_whole(&export).await;
    }
    assert_eq!(store.check().await.expect("checked").1, []);
}

/// Tasks that write until they are told to end.
struct Writers {
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    fn start(store: &Store, seed: u64) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let writers = (0..4).map(|n| {
            let (store, is_over) = (store.clone(), is_over.clone());
            let mut rng = SmallRng::seed_from_u64(seed ^ n);
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    change(&store, &mut rng).await;
                }
            })
        });
        let tasks = writers.collect();
        Self { is_over, tasks }
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no panic");
        }
    }
}

on_both_engines! {
    exports_taken_while_many_write_are_whole,
    who_takes_an_export_slowly_keeps_nobody_from_writing,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_while_many_write_finds_nothing_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("db")).expect("opened");
    check_under_writes(&store, 10).await;
}

/// Once, as each reference is a way to the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_postgres_while_many_write_finds_nothing_wrong() {
    check_under_writes(&engine::connect(&engine::fresh_database().await).await, 1).await;
}

async fn check_under_writes(store: &Store, rounds: u32) {
    let seed = rand::rng().random();
    fill(store, &mut SmallRng::seed_from_u64(seed)).await;
    let before = exported(store).await;
    let writers = Writers::start(store, seed);
    for _ in 0..rounds {
        let (counts, findings) = store.check().await.expect("checked");
        assert_eq!(findings, []);
        assert_eq!((counts.len(), counts[0].0.as_str()), (9, "account"));
        assert!(counts[0].1 > u64::from(ACCOUNTS / 4), "{counts:?}");
    }
    writers.end().await;
    assert!(before != exported(store).await, "nothing was written meanwhile");
}

async fn exports_taken_while_many_write_are_whole(store: &Store) {
    let seed = rand::rng().random();
    let mut rng = SmallRng::seed_from_u64(seed);
    fill(store, &mut rng).await;
    let writers = Writers::start(store, seed);
    let mut exports = Vec::new();
    for _ in 0..5 {
        exports.push(exported(store).await);
        store.purge_expired(NOW + Duration::days(10)).await.expect("purged");
    }
    writers.end().await;
    assert!(exports.windows(2).all(|pair| pair[0] != pair[1]), "nothing was written meanwhile");
    for export in exports {
        demand_whole(&export).await;
    }
}

/// Takes nothing before it is let go.
struct Stuck(std::sync::mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.recv().map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn who_takes_an_export_slowly_keeps_nobody_from_writing(store: &Store) {
    let mut rng = SmallRng::seed_from_u64(1);
    fill(store, &mut rng).await;
    let before = exported(store).await;
    let (let_go, stuck) = std::sync::mpsc::channel();
    let export = tokio::spawn({
        let store = store.clone();
        async move { store.export(Stuck(stuck)).await.map(drop) }
    });
    for _ in 0..50 {
        change(store, &mut rng).await;
    }
    // Whoever took it is gone: the next begins afresh.
    drop(let_go);
    export.await.expect("no panic").expect_err("cut short");
    let after = exported(store).await;
    assert!(after != before, "changed meanwhile");
    demand_whole(&after).await;
}

/// A server that stands still within a transaction, and whose connection the database closes by the
/// bound that servers set. Until then, with so few connections, the database has no room to tell what is in
/// whose way.
#[tokio::test(flavor = "multi_thread")]
async fn writers_outlast_a_transaction_that_stands_still() {
    let settings = [("listen_addresses", "''"), ("max_connections", "20")];
    let cluster = tokio::task::spawn_blocking(move || Cluster::with(&settings, None));
    let cluster = cluster.await.expect("a cluster");
    let url = cluster.url("postgres");
    let store = engine::connect(&url).await;
    fill(&store, &mut SmallRng::seed_from_u64(1)).await;
    let still = engine::client(&url).await;
    let begin = "SET idle_in_transaction_session_timeout = '3s'; \
                 BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE still (n int); SELECT 1";
    still.batch_execute(begin).await.expect("begun");
    let writers = Writers::start(&store, rand::rng().random());
    while !still.is_closed() {
        assert_eq!(store.check().await.expect("checked").1, []);
    }
    writers.end().await;
    tokio::task::spawn_blocking(|| cluster.stop()).await.expect("stopped");
}
