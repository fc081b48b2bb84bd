//! A database that somebody or something else wrote to.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};

use meoww_server::{
    core::account::Account,
    store::{Creation, Store, StoreError},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use time::OffsetDateTime;

use crate::{
    harness::signup,
    process::{Process, command, failure, knows},
    store::{account, create},
};

const ACCOUNTS: u8 = 120;
/// Longest an opening may take. Never a measure of speed.
const PATIENCE: Duration = Duration::from_secs(60);

fn member(n: u8) -> Account {
    let name = format!("member{n}");
    account(n, &name, &format!("{name}@example.com"))
}

/// A database with [`ACCOUNTS`] that nobody has open.
async fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path()).expect("opened");
    for n in 0..ACCOUNTS {
        let outcome = create(&store, &member(n), OffsetDateTime::UNIX_EPOCH).await;
        assert_eq!(outcome, Creation::Created);
    }
    drop(store);
    while sled::Config::new().path(dir.path()).open().is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    dir
}

fn copy_of(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"))
    {
        if entry.file_type().expect("a type").is_file() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
        }
    }
    copy
}

/// Everything is there, or a clear refusal. On a thread, so that a hang is found out as one.
fn all_or_nothing(directory: PathBuf, what: &str) -> bool {
    let (done, outcome) = mpsc::sync_channel(1);
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let opened = runtime.block_on(async {
            let store = Store::open(&directory)?;
            for n in 0..ACCOUNTS {
                let found = store.account_by_email(member(n).email).await?;
                assert_eq!(found.map(|account| account.id), Some(member(n).id), "forgotten");
            }
            Ok::<_, StoreError>(())
        });
        done.send(opened).expect("somebody waits");
    });
    match outcome.recv_timeout(PATIENCE) {
        Ok(Ok(())) => true,
        Ok(Err(StoreError::Damaged { .. })) => false,
        Ok(Err(other)) => panic!("{what}: {other}"),
        Err(_) => panic!("{what}: hangs or panics: {:?}", thread.is_finished()),
    }
}

#[tokio::test]
async fn a_damaged_database_is_whole_or_refused() {
    let seed = super::crash::seed();
    println!("MEOWW_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let whole = filled().await;
    let length = fs::metadata(whole.path().join("db")).expect("a log").len();
    assert!(all_or_nothing(copy_of(whole.path()).path().to_owned(), "untouched"));
    let mut refused = [0; 3];
    for round in 0..40 {
        for (kind, refused) in refused.iter_mut().enumerate() {
            let copy = copy_of(whole.path());
            let log = OpenOptions::new().write(true).open(copy.path().join("db")).expect("a log");
            // The log is much longer than what is in it; half of the blows go to its beginning.
            let at = rng.random_range(0..if round % 2 == 0 { length } else { length / 8 });
            let what = match kind {
                0 => {
                    log.write_all_at(&[rng.random()], at).expect("written");
                    "a byte"
                }
                1 => {
                    let noise: Vec<u8> = (0..4096).map(|_| rng.random()).collect();
                    log.write_all_at(&noise, at).expect("written");
                    "a page"
                }
                _ => {
                    log.set_len(at).expect("cut");
                    "the rest"
                }
            };
            let told = format!("{what} at {at} of {length}");
            *refused += usize::from(!all_or_nothing(copy.path().to_owned(), &told));
        }
    }
    println!("refused: bytes {}, pages {}, cuts {} of 40 each", refused[0], refused[1], refused[2]);
    assert!(refused.iter().all(|count| *count > 0), "{refused:?}");
}

#[tokio::test]
async fn an_emptied_database_is_no_first_start() {
    let whole = filled().await;
    let emptied = copy_of(whole.path());
    fs::remove_file(emptied.path().join("db")).expect("removed");
    assert!(!all_or_nothing(emptied.path().to_owned(), "no log"));
    let emptied = copy_of(whole.path());
    fs::write(emptied.path().join("db"), "").expect("written");
    assert!(!all_or_nothing(emptied.path().to_owned(), "an empty log"));
    for file in ["conf", "flushes"] {
        for bytes in [b"".as_slice(), b"\xff\xff\xff\xff nonsense"] {
            let copy = copy_of(whole.path());
            fs::write(copy.path().join(file), bytes).expect("written");
            all_or_nothing(copy.path().to_owned(), file);
        }
    }
    let nothing = tempfile::tempdir().expect("a directory");
    assert!(Store::open(&nothing.path().join("db")).is_ok(), "a first start");
}

/// The words of a refusal are a command that works as it stands.
#[tokio::test]
async fn the_way_out_that_is_told_leads_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path();
    let process = Process::spawn(command(data).stderr(Stdio::null())).await;
    let url = format!("{}/api/auth/signup", process.url);
    let http = reqwest::Client::new();
    let (status, _) = Process::post(&http, &url, &signup("ada")).await.expect("an answer");
    assert_eq!(status, reqwest::StatusCode::CREATED);
    process.stop().await;

    fs::write(data.join("db/db"), "").expect("written");
    let (code, said) = failure(command(data)).await;
    assert_eq!(code, 4, "{said}");
    let told = said.split('`').nth(1).expect("a command");
    let words: Vec<_> = told.split(' ').collect();
    assert_eq!(words[0], "meoww-server");
    fs::rename(data.join("db"), data.join("db.damaged")).expect("moved");
    let way_out = std::process::Command::new(env!("CARGO_BIN_EXE_meoww-server"))
        .args(&words[1..])
        .env_clear()
        .output()
        .expect("it runs");
    assert!(way_out.status.success(), "{told}: {way_out:?}");

    let process = Process::spawn(command(data).stderr(Stdio::null())).await;
    assert!(knows(&http, &process.url, "ada").await);
    process.stop().await;
}
