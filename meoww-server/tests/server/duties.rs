//! What one of several servers does for all, and what each does with what it did before.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};

use meoww_server::config::{Config, Secret};

use crate::{
    engine,
    fleet::{ACCESS_SECRET, share_secrets},
    harness::{TestServer, patiently},
    process::{self, Process},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn server_on(url: &str, adjust: impl FnOnce(&Config)) -> TestServer {
    TestServer::with(|config| {
        share_secrets(&config.data_dir);
        config.access_secret = Some(Secret::new(ACCESS_SECRET.into()));
        config.database = Some(engine::url(url));
        adjust(config);
    })
    .await
}

/// The exports in a data directory.
fn exports(data_dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(data_dir.join("exports")).into_iter().flatten();
    let names = files.map(|file| file.expect("a file").file_name());
    let names = names.map(|name| name.into_string().expect("text"));
    names.filter(|name| name.ends_with(".jsonl")).collect()
}

async fn process_on(url: &str, data_dir: &Path) -> Process {
    share_secrets(data_dir);
    let mut command = process::command(data_dir);
    command.env("MEOWW_DATABASE_URL", url).env("JWT_ACCESS_SECRET", ACCESS_SECRET);
    // Whose turn it is to look through the bucket is settled before anybody looks.
    command.env("MEOWW_PHOTO_STORE", "s3://photos").env("AWS_ENDPOINT", "http://127.0.0.1:1");
    command.env("AWS_ACCESS_KEY_ID", "ada").env("AWS_SECRET_ACCESS_KEY", "secret");
    command.env("AWS_ALLOW_HTTP", "true").stderr(Stdio::null());
    Process::spawn(&mut command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_one_does_what_is_done_for_all() {
    let url = engine::fresh_database().await;
    engine::connect(&url).await;
    let client = engine::client(&url).await;
    // A claim that is lost writes nothing.
    let note = "CREATE TABLE claims (duty text NOT NULL);
        CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO claims VALUES (NEW.key); RETURN NULL; END $$;
        CREATE TRIGGER note_claim AFTER INSERT OR UPDATE ON meta FOR EACH ROW
        WHEN (NEW.key LIKE 'last %') EXECUTE FUNCTION note_claim()";
    client.batch_execute(note).await.expect("made");
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let starts = folders.iter().map(|folder| process_on(&url, folder.path()));
    let servers = futures_util::future::join_all(starts).await;
    let made = || folders.iter().map(|folder| exports(folder.path()).len()).sum::<usize>();
    patiently(async {
        while made() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The others, too, have asked by now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(made(), 1);
    let claims = client.query("SELECT duty FROM claims ORDER BY duty", &[]).await.expect("read");
    let claims: Vec<&str> = claims.iter().map(|row| row.get(0)).collect();
    assert_eq!(claims, ["last counts", "last export", "last purge", "last removal of photos"]);
    drop(servers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_turn_does_not_come_forgets_old_exports() {
    let url = engine::fresh_database().await;
    let first = server_on(&url, |_| {}).await;
    patiently(async {
        while exports(&first.folder("")).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let second = server_on(&url, |config| {
        let folder = config.data_dir.join("exports");
        std::fs::create_dir_all(&folder).expect("a directory");
        for days in [2, 3, 5] {
            let path = folder.join(format!("{:020}.jsonl", 10 - days));
            let file = std::fs::File::create(path).expect("a file");
            file.set_modified(SystemTime::now() - DAY * days).expect("dated");
        }
        std::fs::write(folder.join("1.jsonl.part"), "half").expect("written");
    })
    .await;
    patiently(async {
        let half = second.folder("exports").join("1.jsonl.part");
        while exports(&second.folder("")) != [format!("{:020}.jsonl", 8)] || half.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(exports(&first.folder("")).len(), 1, "the newest stays");
}
