//! A disk that takes no more, and one that takes nothing.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Stdio,
};

use reqwest::{Client, StatusCode, header};
use serde_json::Value;
use tokio::process::Command;

use super::{
    crash::disk::{Disk, Token},
    crowd::members::{Members, refresh_token},
};
use crate::process::{Process, command, failure};

const MEMBERS: usize = 8;
const ROUNDS: usize = 4000;

/// The server with no file longer than so many blocks of 512 bytes. A write beyond fails as one on
/// a full disk does.
fn limited(command: &Command, blocks: u64) -> Command {
    let server = command.as_std();
    let mut shell = Command::new("/bin/sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(server.get_program()).args(server.get_args()).env_clear();
    shell.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    shell
}

/// Gives the next token, or what was said instead.
async fn refresh(
    client: &Client,
    url: &str,
    token: &str,
) -> reqwest::Result<Result<String, (StatusCode, Value)>> {
    let request = client.post(format!("{url}/api/auth/refresh"));
    let response = request.header(header::COOKIE, format!("refresh_token={token}")).send().await?;
    let status = response.status();
    let lines = response.headers().get_all(header::SET_COOKIE);
    let next = lines.iter().find_map(|line| {
        let line = line.to_str().ok()?.strip_prefix("refresh_token=")?;
        Some(line.split(';').next()?.to_owned())
    });
    let body = serde_json::from_str(&response.text().await?).unwrap_or_default();
    Ok(next.filter(|_| status == StatusCode::OK).ok_or((status, body)))
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let data = tempfile::tempdir().expect("a directory");
    let members = Members::create(data.path(), MEMBERS).await;
    let length = fs::metadata(data.path().join("db/db")).expect("a log").len();
    let mut server = command(data.path());
    server.envs(members.environment());
    let mut process = Process::spawn(&mut limited(&server, length / 512 + 256)).await;
    let client = Client::new();
    let mut tokens: Vec<_> = (0..MEMBERS).map(refresh_token).collect();
    let mut in_doubt = None;
    for round in 0..ROUNDS {
        let n = round % MEMBERS;
        match refresh(&client, &process.url, &tokens[n]).await {
            Ok(Ok(next)) => tokens[n] = next,
            Ok(Err((status, body))) => {
                let told = body["error"].as_str().is_some_and(|text| text.contains("save"));
                assert!(status == StatusCode::SERVICE_UNAVAILABLE && told, "{status} {body}");
                in_doubt = Some(n);
                break;
            }
            Err(_) => panic!("the server is gone without a word"),
        }
    }
    let in_doubt = in_doubt.expect("the disk fills up");
    let get = async |path| {
        let answer = reqwest::get(format!("{}{path}", process.url)).await.expect("an answer");
        (answer.status(), answer.text().await.expect("text"))
    };
    assert!(get("/health").await.0.is_success(), "what needs no disk goes on");
    let (status, said) = get("/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(said.contains(r#""database":"failed""#), "{said}");
    // Nothing is taken any more, and nothing is changed in memory either.
    for n in (0..MEMBERS).filter(|n| *n != in_doubt) {
        let refused = refresh(&client, &process.url, &tokens[n]).await.expect("an answer");
        let (status, body) = refused.expect_err("the disk is full");
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["error"], "The server cannot save anything now. Please try again later.");
    }
    process.kill().await;

    let disk = Disk::read(&data.path().join("db"));
    disk.check();
    for (n, token) in tokens.iter().enumerate() {
        let expected = disk.token(token);
        // What was refused in the middle may have been done all the same.
        let is_kept = expected == Token::Good || (n == in_doubt && expected == Token::Spent);
        assert!(is_kept, "{n} is {expected:?}");
    }
    let mut again = command(data.path());
    let process = Process::spawn(again.envs(members.environment()).stderr(Stdio::null())).await;
    for (n, token) in tokens.iter().enumerate().filter(|(n, _)| *n != in_doubt) {
        let next = refresh(&client, &process.url, token).await.expect("an answer");
        assert!(next.is_ok(), "{n}: {next:?}");
    }
    process.stop().await;
}

#[tokio::test]
async fn a_data_directory_that_takes_nothing_is_said_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("made");
    for (path, mode) in [(dir.path(), 0o755), (&*data, 0o555)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
    }
    let mut server = command(&data);
    if rustix::process::geteuid().is_root() {
        // Modes do not hold root back; "nobody" they do.
        server.uid(65534);
    }
    let (code, said) = failure(server).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("denied") && said.contains(&*data.to_string_lossy()), "{said}");
}

#[tokio::test]
async fn a_database_that_others_could_read_is_closed_to_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = dir.path().join("db");
    fs::create_dir(&db).expect("made");
    fs::set_permissions(&db, Permissions::from_mode(0o755)).expect("set");
    let process = Process::spawn(command(dir.path()).stderr(Stdio::null())).await;
    let mode = fs::metadata(&db).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    process.stop().await;
    let exports = fs::read_dir(dir.path().join("exports")).expect("a directory").count();
    assert!(exports >= 1, "the last export is made at the end");
}
