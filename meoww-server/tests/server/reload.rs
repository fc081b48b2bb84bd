//! SIGHUP: what is taken up while the server runs, and what is not.

use std::{path::Path, process::Stdio};

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::ChildStderr,
};

use crate::{
    harness::patiently,
    process::{Process, command},
};

struct Reloading {
    process: Process,
    log: Lines<BufReader<ChildStderr>>,
}

impl Reloading {
    /// Starts with this file and reads its log from there on.
    async fn start(directory: &Path, file: &Path) -> Self {
        let mut command = command(&directory.join("data"));
        command.arg("--config").arg(file).env_remove("MEOWW_LIMIT_LOGIN").stderr(Stdio::piped());
        command.args(["--log-format", "json"]);
        let mut process = Process::spawn(&mut command).await;
        let log = BufReader::new(process.stderr()).lines();
        Self { process, log }
    }

    /// Sends the signal; gives the lines of the log up to the one that says what came of it.
    async fn reload(&mut self) -> String {
        self.process.signal("HUP");
        let mut said = String::new();
        loop {
            let line = patiently(self.log.next_line()).await.expect("text").expect("a line");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            said += &line;
            let message = event["message"].as_str().expect("a message");
            if message.contains("server reloaded") || message.contains("in use stays") {
                return said;
            }
        }
    }

    async fn login(&self) -> StatusCode {
        let url = format!("{}/api/auth/login", self.process.url);
        let body = json!({ "email": "ada@example.com", "password": "a wrong one" });
        let answer = Process::post(&reqwest::Client::new(), &url, &body).await;
        answer.expect("an answer").0
    }

    async fn is_allowed(&self, origin: &str) -> bool {
        let request = reqwest::Client::new()
            .request(Method::OPTIONS, format!("{}/api/auth/login", self.process.url))
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        let answer = patiently(request.send()).await.expect("an answer");
        answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    }
}

#[tokio::test]
async fn limits_and_origins_change_at_once_and_a_bad_file_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("meoww.toml");
    let (old, new) = ("https://old.example", "https://new.example");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    write(&format!("frontend_url = '{old}'\n[limits]\nlogin = '1/1h'\n"));
    let mut server = Reloading::start(dir.path(), &file).await;
    assert_eq!(server.login().await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login().await, StatusCode::TOO_MANY_REQUESTS);
    assert!(server.is_allowed(old).await && !server.is_allowed(new).await);

    write(&format!("frontend_url = '{new}'\nemail_from = 'x@y'\n[limits]\nlogin = 'lots'\n"));
    let said = server.reload().await;
    assert!(said.contains("MEOWW_LIMIT_LOGIN") && said.contains("in use stays"), "{said}");
    assert_eq!(server.login().await, StatusCode::TOO_MANY_REQUESTS);
    assert!(server.is_allowed(old).await && !server.is_allowed(new).await);

    write(&format!(
        "frontend_url = '{new}'\nrefresh_token_expiry = '1d'\n[limits]\nlogin = 'off'\n"
    ));
    let said = server.reload().await;
    assert!(said.contains("REFRESH_TOKEN_EXPIRY") && said.contains("need a restart"), "{said}");
    for _ in 0..3 {
        assert_eq!(server.login().await, StatusCode::UNAUTHORIZED);
    }
    assert!(!server.is_allowed(old).await && server.is_allowed(new).await);
    server.process.stop().await;
}
