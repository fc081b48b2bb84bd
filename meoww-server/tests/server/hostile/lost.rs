//! A database that is not there any more.

use std::{fs, path::Path, process::Stdio};

use meoww_server::{
    config::Config,
    mail::Mailer,
    server::{Server, StartError},
};
use tokio::sync::mpsc;

use crate::{
    harness::{patiently, signup},
    operator::Operator,
    process::{Process, command, failure, knows},
};

async fn started(data: &Path) -> Process {
    Process::spawn(command(data).stderr(Stdio::null())).await
}

/// A data directory that knows Ada.
async fn lived_in() -> Operator {
    let operator = Operator::new();
    let process = started(&operator.data()).await;
    let url = format!("{}/api/auth/signup", process.url);
    let (status, _) =
        Process::post(&reqwest::Client::new(), &url, &signup("ada")).await.expect("an answer");
    assert_eq!(status, reqwest::StatusCode::CREATED);
    process.stop().await;
    operator
}

async fn expect_refused(operator: &Operator) -> String {
    let (code, said) = failure(command(&operator.data())).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("there is no database in") && said.contains("on purpose"), "{said}");
    said
}

#[tokio::test]
async fn a_database_that_is_gone_is_no_first_start_and_can_be_brought_back() {
    let operator = lived_in().await;
    let data = operator.data();
    fs::remove_dir_all(data.join("db")).expect("removed");
    let said = expect_refused(&operator).await;
    let person = ["user", "create", "--count", "1"];
    assert_eq!(operator.code(&person).await, 4, "nobody else begins it either");
    assert!(!data.join("db").exists(), "a disk may be mounted there");

    let nonsense = operator.path("nonsense.jsonl");
    fs::write(&nonsense, "nonsense").expect("written");
    assert_eq!(operator.code(&["db", "import", &nonsense]).await, 9);
    expect_refused(&operator).await;

    let told = said.split('`').nth(1).expect("a command");
    let words: Vec<_> = told.split(' ').collect();
    assert_eq!(words[0], "meoww-server");
    let way_out = std::process::Command::new(env!("CARGO_BIN_EXE_meoww-server"))
        .args(&words[1..])
        .env_clear()
        .output()
        .expect("it runs");
    assert!(way_out.status.success(), "{told}: {way_out:?}");
    let process = started(&data).await;
    assert!(knows(&reqwest::Client::new(), &process.url, "ada").await);
    process.stop().await;
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_or_new_is_no_first_start() {
    let operator = lived_in().await;
    let db = operator.data().join("db");
    fs::remove_dir_all(&db).expect("removed");
    fs::create_dir(&db).expect("made");
    expect_refused(&operator).await;
    fs::create_dir(db.join("lost+found")).expect("made");
    expect_refused(&operator).await;
    expect_refused(&operator).await;
}

/// Each of them alone tells, as an older version or a tidy operator leaves it.
#[tokio::test]
async fn whatever_is_left_tells_of_it_until_it_is_moved_away() {
    let operator = lived_in().await;
    let data = operator.data();
    let (mark, exports, photos) =
        (data.join("db.begun"), data.join("exports"), data.join("photos"));
    fs::write(photos.join("a.jpg"), "a picture").expect("written");
    let removed = || fs::remove_dir_all(data.join("db")).expect("removed");
    removed();
    for left in [&mark, &exports, &photos] {
        let said = expect_refused(&operator).await;
        assert!(said.contains(left.to_str().expect("text")), "{said}");
        fs::rename(left, left.with_extension("old")).expect("moved");
    }
    started(&data).await.stop().await;
    assert!(mark.exists());
    fs::remove_dir_all(&exports).expect("removed");
    removed();
    let said = expect_refused(&operator).await;
    assert!(said.contains("db restore BACKUP"), "{said}");
}

/// However early the first start ended, the next one knows that nothing was lost.
#[tokio::test]
async fn a_first_start_that_was_cut_short_can_be_made_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = async || {
        let (outbox, _) = mpsc::channel(1);
        let config = Config::new(dir.path().join("data"));
        Server::with_mailer(config, Mailer::Memory(outbox)).await
    };
    let opened = open().await.expect("a first start");
    assert!(dir.path().join("data/db.begun").exists());
    drop(opened);
    let again = async {
        loop {
            match open().await {
                Err(StartError::Store(error)) if error.to_string().contains("lock") => {
                    tokio::task::yield_now().await;
                }
                outcome => return outcome.map(drop),
            }
        }
    };
    patiently(again).await.expect("the same again");
}
