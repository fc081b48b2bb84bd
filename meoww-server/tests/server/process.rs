//! The real program: how it starts, how it ends, and what it remembers when it is killed.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStderr, Command},
};

use crate::harness::{PASSWORD, patiently, signup};

pub(crate) struct Process {
    child: Child,
    pub(crate) url: String,
}

pub(crate) fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meoww-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    // Only what a test says counts, and nothing of the machine it runs on.
    command.env_clear();
    for limit in ["SIGNUP", "LOGIN", "REFRESH", "SESSION_REFRESH"] {
        command.env(format!("MEOWW_LIMIT_{limit}"), "off");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Process {
    async fn start(data_dir: &Path) -> Self {
        Self::spawn(command(data_dir).stderr(Stdio::null())).await
    }

    /// Returns when it listens.
    pub(crate) async fn spawn(command: &mut Command) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = patiently(lines.next_line()).await.expect("readable").expect("a line");
        let url = line.strip_prefix("listening on ").expect("the promised line").to_owned();
        Self { child, url }
    }

    pub(crate) async fn post(
        http: &reqwest::Client,
        url: &str,
        body: &Value,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let response = http
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await?;
        let status = response.status();
        let body = serde_json::from_str(&response.text().await?).unwrap_or(Value::Null);
        Ok((status, body))
    }

    /// Waits until it ends; gives its code.
    pub(crate) async fn ended(&mut self) -> i32 {
        patiently(self.child.wait()).await.expect("it ends").code().expect("an exit code")
    }

    pub(crate) fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("piped")
    }

    /// Ends it as a power cut does, as far as a process can tell.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("running")
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let status = std::process::Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Ends it as a service manager does.
    pub(crate) async fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.ended().await, 0);
    }
}

/// Runs a start that must fail; gives its code and what it said.
pub(crate) async fn failure(mut command: Command) -> (i32, String) {
    let mut child = command.spawn().expect("it starts");
    let status = patiently(child.wait()).await.expect("it ends");
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).await.expect("text");
    (status.code().expect("an exit code"), said)
}

/// The code in the mail to `name`.
pub(crate) fn code_for(outbox: &Path, name: &str) -> Option<String> {
    let to = format!("To: {name}@example.com\r\n");
    let mails = std::fs::read_dir(outbox).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    for path in mails.filter(|path| path.extension().is_some_and(|kind| kind == "eml")) {
        let mail = std::fs::read_to_string(path).expect("text");
        if mail.contains(&to) {
            let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
            return mail.lines().find(is_code).map(str::to_owned);
        }
    }
    None
}

#[tokio::test]
async fn sigterm_ends_it_well_and_a_restart_remembers() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let process = Process::start(&data).await;
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("secrets.toml")), 0o600);

    let (code, said) = failure(command(&data)).await;
    assert_eq!(code, 4);
    assert!(said.contains("another server is using the data directory"), "{said}");

    let http = reqwest::Client::new();
    let url = format!("{}/api/auth/signup", process.url);
    let (status, _) = Process::post(&http, &url, &signup("ada")).await.expect("an answer");
    assert_eq!(status, StatusCode::CREATED);
    let mails = std::fs::read_dir(data.join("outbox")).expect("an outbox").count();
    assert_eq!(mails, 1);
    process.stop().await;

    let process = Process::start(&data).await;
    assert!(knows(&http, &process.url, "ada").await);
    process.stop().await;
}

#[tokio::test]
async fn a_log_that_goes_to_no_terminal_has_no_colours() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut process = Process::spawn(&mut command(dir.path())).await;
    let mut stderr = process.child.stderr.take().expect("piped");
    process.stop().await;
    let mut log = String::new();
    patiently(stderr.read_to_string(&mut log)).await.expect("text");
    assert!(log.contains("INFO") && log.contains("stopping"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log:?}");
}

/// An account that waits for its code tells so to whoever knows the password.
pub(crate) async fn knows(http: &reqwest::Client, url: &str, name: &str) -> bool {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    let url = format!("{url}/api/auth/login");
    let (status, body) = Process::post(http, &url, &body).await.expect("an answer");
    status == StatusCode::FORBIDDEN && body["code"] == "EMAIL_NOT_VERIFIED"
}

#[tokio::test]
async fn each_way_of_failing_has_its_code() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let start = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = command(&data);
        command.envs(variables.iter().copied()).args(arguments);
        failure(command)
    };
    let (code, said) = start(&[("JWT_ACCESS_SECRET", "hunter2")], &[]).await;
    assert_eq!(code, 6, "{said}");
    assert!(said.contains("JWT_ACCESS_SECRET") && !said.contains("hunter2"), "{said}");
    assert_eq!(start(&[("ACCESS_TOKEN_EXPIRY", "soon")], &[]).await.0, 3);
    assert_eq!(start(&[("MEOWW_SMTP_URL", "carrier-pigeon://x")], &[]).await.0, 3);
    assert_eq!(start(&[], &["--config", "/nonexistent.toml"]).await.0, 3);
    assert_eq!(start(&[], &["--no-such-flag"]).await.0, 2);
    assert_eq!(start(&[], &["--listen", "nowhere"]).await.0, 2);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut command = command(&data);
    let mut arguments = Command::new(command.as_std().get_program());
    arguments.args(["serve", "--listen", &taken.local_addr().expect("bound").to_string()]);
    arguments.arg("--data-dir").arg(&data).env_clear().stderr(Stdio::piped());
    command = arguments;
    assert_eq!(failure(command).await.0, 5);

    std::fs::write(data.join("secrets.toml"), "damaged").expect("written");
    let (code, said) = start(&[], &[]).await;
    assert!(code == 4 && said.contains("secrets.toml"), "{code} {said}");
}

/// A failing write to stderr must not end a process.
#[tokio::test]
async fn a_log_that_cannot_be_written_ends_nothing() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = command(dir.path());
    let process = Process::spawn(command.stderr(full())).await;
    let health = reqwest::get(format!("{}/health", process.url)).await.expect("an answer");
    assert!(health.status().is_success());
    process.stop().await;

    // The same with the reader of a pipe gone.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let process = Process::spawn(command.stderr(writer)).await;
    process.stop().await;

    let mut command = Command::new(env!("CARGO_BIN_EXE_meoww-server"));
    command.args(["stats", "--data-dir"]).arg(dir.path().join("nothing")).env_clear();
    let status = command.stderr(full()).status().await.expect("it runs");
    assert_eq!(status.code(), Some(4), "why it failed is in the code");
}

#[tokio::test]
async fn a_configuration_with_a_mail_server_is_checked() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_meoww-server"));
    command.args(["config", "check", "--data-dir"]).arg(dir.path()).env_clear();
    for url in
        ["smtp://localhost:25", "smtps://ada:secret@mail.example", "smtp://h:587?tls=required"]
    {
        let output = command.env("MEOWW_SMTP_URL", url).output().await.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{url}: {said}");
    }
}
