//! The log at its most talkative, after everything that can be asked of a server was asked once:
//! it names no secret and nothing that people said.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    path::PathBuf,
    process::Stdio,
};

use meoww_proto::{
    RoomId,
    signal::{ClientMessage, RelayPayload, Report, ServerMessage},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json, value::RawValue};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::{
    engine::{self, Cluster},
    harness::{Peer, patiently},
    nats::Nats,
    operator::Operator,
    process::{Process, command},
};

const PASSWORD: &str = "stoat-in-the-meadow-17";
const NEXT_PASSWORD: &str = "heron-by-the-river-18";
const RESET_PASSWORD: &str = "otter-under-the-ice-19";
const OPERATORS_PASSWORD: &str = "badger-in-the-hill-20";
const WRONG_PASSWORD: &str = "weasel-on-the-wall-21";
const ACCESS_SECRET: &str = "9f1d6c40b2e873a5d4c1f0986be2a7335c8e91d04f7ab6628d3e50c19f84ba27";
const TURN_SECRET: &str = "7be04c9d15f2a8366ed1b7405c93f8a2";
const SMTP_PASSWORD: &str = "secret-of-the-mail-server";
const DATABASE_PASSWORD: &str = "secret-of-the-database";
const NATS_PASSWORD: &str = "secret-of-the-bus";
const SAID: &str = "words-between-two-strangers";
const SDP: &str = "a=ice-pwd:of-one-call-and-no-other";
const REASON: &str = "why-one-reports-the-other";
const NOTE: &str = "what-the-operator-made-of-it";

/// A person with a client that keeps cookies.
struct Story {
    operator: Operator,
    server: Process,
    http: reqwest::Client,
    /// What must not be found, and what it is.
    secrets: BTreeMap<String, &'static str>,
    /// Mails, by the files they are in.
    read: HashSet<PathBuf>,
}

impl Story {
    async fn begin(operator: Operator, env: &[(&str, &str)], log: File) -> Self {
        let mut command = command(&operator.data());
        command.envs(env.iter().copied());
        for limit in ["RESEND", "VERIFY", "TURN", "PHOTO", "ACCOUNT_LOGIN", "ACCOUNT_CODE"] {
            command.env(format!("MEOWW_LIMIT_{limit}"), "off");
        }
        command.env("MEOWW_LOG", "trace").env("MEOWW_LOG_FORMAT", "json").stderr(log);
        command.env("JWT_ACCESS_SECRET", ACCESS_SECRET).env("TURN_SECRET", TURN_SECRET);
        command.env("TURN_SERVER_URL", "turn:relay.example:3478");
        let server = Process::spawn(&mut command).await;
        let secrets = [
            (PASSWORD, "a password"),
            (NEXT_PASSWORD, "a new password"),
            (RESET_PASSWORD, "a password after a reset"),
            (OPERATORS_PASSWORD, "a password an operator set"),
            (WRONG_PASSWORD, "a wrong password"),
            (ACCESS_SECRET, "the key of access tokens"),
            (TURN_SECRET, "the secret of the relay"),
            (SAID, "chat"),
            (SDP, "an offer"),
            (REASON, "the reason of a report"),
            (NOTE, "an operator's note"),
            (DATABASE_PASSWORD, "the password of the database"),
            (NATS_PASSWORD, "the password of NATS"),
        ];
        let secrets = secrets.map(|(secret, what)| (secret.to_owned(), what)).into();
        let http = reqwest::Client::builder().cookie_store(true).build().expect("a client");
        Self { operator, server, http, secrets, read: HashSet::new() }
    }

    async fn ask(&mut self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.server.url);
        let request = self.http.request(method, url).header("content-type", "application/json");
        let response = patiently(request.body(body.to_string()).send()).await.expect("an answer");
        for cookie in response.cookies() {
            let what =
                if cookie.name() == "access_token" { "an access token" } else { "a refresh token" };
            if !cookie.value().is_empty() {
                self.secrets.insert(cookie.value().to_owned(), what);
            }
        }
        let status = response.status();
        (status, response.json().await.unwrap_or_default())
    }

    async fn post(&mut self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(Method::POST, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// The code of a mail that nobody has read.
    async fn code(&mut self) -> String {
        let outbox = self.operator.data().join("outbox");
        let is_code =
            |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        let arrived = async {
            loop {
                let files = std::fs::read_dir(&outbox).into_iter().flatten();
                for path in files.map(|file| file.expect("a file").path()) {
                    let mail = std::fs::read_to_string(&path).unwrap_or_default();
                    let code = mail.lines().find(is_code).map(str::to_owned);
                    if let Some(code) = code.filter(|_| self.read.insert(path)) {
                        return code;
                    }
                }
                tokio::task::yield_now().await;
            }
        };
        let code = patiently(arrived).await;
        self.secrets.insert(code.clone(), "a code");
        code
    }

    async fn sign_up(&mut self) {
        let email = "ada@example.com";
        let form =
            json!({ "name": "Ada", "username": "ada", "email": email, "password": PASSWORD });
        let id = self.post("/api/auth/signup", form).await["userId"].clone();
        let first = self.code().await;
        self.post("/api/auth/resend-otp", json!({ "userId": id })).await;
        let code = self.code().await;
        if first != code {
            let wrong = json!({ "userId": id, "otp": first });
            assert!(!self.ask(Method::POST, "/api/auth/verify", wrong).await.0.is_success());
        }
        self.post("/api/auth/verify", json!({ "userId": id, "otp": code })).await;
        let wrong = json!({ "email": email, "password": WRONG_PASSWORD });
        assert!(!self.ask(Method::POST, "/api/auth/login", wrong).await.0.is_success());
        // What cannot be read could be quoted by whoever could not read it.
        for bad in
            [json!({ "email": [], "password": PASSWORD }), json!([PASSWORD]), json!(PASSWORD)]
        {
            assert!(!self.ask(Method::POST, "/api/auth/login", bad).await.0.is_success());
        }
        let bad = json!({ "userId": PASSWORD, "otp": PASSWORD });
        assert!(!self.ask(Method::POST, "/api/auth/verify", bad).await.0.is_success());
        self.post("/api/auth/login", json!({ "email": email, "password": PASSWORD })).await;
    }

    async fn look_after_account(&mut self) {
        for path in [
            "/api/auth/me",
            "/api/auth/me/export",
            "/api/auth/sessions",
            "/api/auth/blocks",
            "/health",
            "/ready",
            &format!("/nowhere?password={PASSWORD}"),
            &format!("/photos/{PASSWORD}.jpg"),
            &format!("/ws?resume={PASSWORD}"),
        ] {
            self.ask(Method::GET, path, Value::Null).await;
        }
        let relay = self.ask(Method::GET, "/api/auth/turn-credentials", Value::Null).await.1;
        let credential = relay["iceServers"][1]["credential"].as_str().expect("a credential");
        self.secrets.insert(credential.to_owned(), "a credential for the relay");
        let change = json!({ "currentPassword": PASSWORD, "newPassword": NEXT_PASSWORD });
        self.post("/api/auth/password", change).await;
        let move_to = json!({ "email": "countess@example.com", "password": NEXT_PASSWORD });
        self.post("/api/auth/email", move_to).await;
        let code = self.code().await;
        self.post("/api/auth/email/confirm", json!({ "otp": code })).await;
        let email = "countess@example.com";
        self.post("/api/auth/password/forgot", json!({ "email": email })).await;
        let code = self.code().await;
        let reset = json!({ "email": email, "otp": code, "newPassword": RESET_PASSWORD });
        self.post("/api/auth/password/reset", reset).await;
        self.post("/api/auth/login", json!({ "email": email, "password": RESET_PASSWORD })).await;
        self.post("/api/auth/refresh", Value::Null).await;
        self.ask(Method::DELETE, "/api/auth/sessions", Value::Null).await;
        self.post("/api/auth/logout", Value::Null).await;
        // Spent.
        let spent: Vec<_> =
            self.secrets.iter().filter(|(_, what)| **what == "a refresh token").collect();
        let url = format!("{}/api/auth/refresh", self.server.url);
        for (token, _) in spent {
            let request = reqwest::Client::new().post(&url);
            let request = request.header("cookie", format!("refresh_token={token}"));
            patiently(request.send()).await.expect("an answer");
        }
        self.post("/api/auth/login", json!({ "email": email, "password": RESET_PASSWORD })).await;
        let delete = json!({ "password": RESET_PASSWORD });
        let (status, _) = self.ask(Method::DELETE, "/api/auth/me", delete).await;
        assert!(status.is_success(), "{status}");
    }

    async fn open(&self, path: &str, cookie: &str) -> Peer {
        let url = format!("{}{path}", self.server.url.replace("http", "ws"));
        let mut request = url.into_client_request().expect("a request");
        request.headers_mut().insert("cookie", cookie.parse().expect("a header"));
        let opening = tokio_tungstenite::connect_async(request);
        Peer { socket: patiently(opening).await.expect("a socket").0 }
    }

    /// Two talk, one by each protocol; one reports and blocks the other.
    async fn talk(&mut self) {
        let count = ["user", "create", "--count", "2", "--verified", "--tokens"];
        let made = self.operator.asks(&count).await;
        let cookies =
            [0, 1].map(|n: usize| made[n]["cookie"].as_str().expect("a cookie").to_owned());
        for cookie in &cookies {
            let token = cookie.split_once('=').expect("a pair").1;
            self.secrets.insert(token.to_owned(), "an access token");
        }
        let mut web = self.open("/socket.io/?EIO=4&transport=websocket", &cookies[0]).await;
        for packet in ["40", r#"42["search"]"#] {
            web.send_text(packet).await;
        }
        while !text(&mut web).await.starts_with(r#"42["searching""#) {}
        let mut peer = self.open("/ws", &cookies[1]).await;
        assert!(matches!(peer.next().await, ServerMessage::Welcome(_)));
        peer.send(ClientMessage::Search(Default::default())).await;
        // The node that matches may be another than the one that says that a search has begun.
        let room: RoomId = loop {
            match peer.next().await {
                ServerMessage::Matched(matched) => break matched.room_id,
                ServerMessage::Searching => {}
                other => panic!("not matched: {other:?}"),
            }
        };
        while !text(&mut web).await.starts_with(r#"42["matched""#) {}
        // Until the pong, what names no room is for the last partner.
        web.send_text("3").await;
        peer.say(room, SAID).await;
        peer.expect_chat(SAID, true).await;
        let offer = RawValue::from_string(json!({ "sdp": SDP }).to_string()).expect("JSON");
        peer.relay(room, RelayPayload::Offer(offer)).await;
        for said in [
            json!(["send-message", { "text": SAID }]).to_string(),
            json!(["offer", { "offer": { "sdp": SDP } }]).to_string(),
            json!(["send-message", { "text": [SAID] }]).to_string(),
            json!([SAID]).to_string(),
        ] {
            web.send_text(format!("42{said}")).await;
        }
        peer.expect_chat(SAID, false).await;
        assert!(matches!(peer.next().await, ServerMessage::Signal(_)));
        for bad in
            [SAID.to_owned(), json!({ "event": SAID }).to_string(), json!([SAID]).to_string()]
        {
            peer.send_text(bad).await;
            assert!(matches!(peer.next().await, ServerMessage::Error(_)));
        }
        let report = Report { room_id: room, reason: REASON.into() };
        peer.send(ClientMessage::Report(report)).await;
        assert!(matches!(peer.next().await, ServerMessage::Reported { .. }));
        peer.send(ClientMessage::Block { room_id: room }).await;
        assert!(matches!(peer.next().await, ServerMessage::Blocked { .. }));
        while !text(&mut web).await.contains("peer-disconnected") {}
    }

    async fn operate(&self) {
        let report = self.operator.ask(&["report", "list"]).await;
        let id = report["id"].as_str().expect("an id");
        self.operator.ask(&["report", "show", id]).await;
        self.operator.ask(&["report", "resolve", id, "--note", NOTE]).await;
        let user = self.operator.asks(&["user", "list"]).await[0]["id"].clone();
        let user = user.as_str().expect("an id");
        let set = ["user", "set-password", user];
        let said = self.operator.types_with(&set, &[], &format!("{OPERATORS_PASSWORD}\n")).await;
        assert_eq!(said.code, 0, "{}", said.err);
        self.operator.asks(&["user", "sessions", user]).await;
        self.operator.asks(&["user", "ban", user, "--reason", REASON]).await;
    }
}

async fn text(peer: &mut Peer) -> String {
    match peer.next_raw().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Whether a line has the secret as a word of its own: six digits are in many a number.
fn has(line: &str, secret: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    line.match_indices(secret).any(|(at, _)| {
        let bytes = line.as_bytes();
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !is_part(before) && !is_part(bytes.get(at + secret.len()))
    })
}

/// Demands that no line names a secret.
fn demand_discretion(log: &str, secrets: &BTreeMap<String, &'static str>) {
    assert!(log.lines().count() > 100 && log.contains("\"DEBUG\""), "it says much");
    for line in log.lines() {
        let mut line: Value = serde_json::from_str(line).expect("a line of JSON");
        line["timestamp"] = Value::Null;
        // Its numbers are of pages and bytes.
        let is_of_database =
            line["target"].as_str().is_some_and(|target| target.starts_with("sled"));
        let line = line.to_string();
        for (secret, what) in secrets {
            let found = has(&line, secret) && !(is_of_database && *what == "a code");
            assert!(!found, "{what} is in the log: {line}");
        }
    }
}

#[tokio::test]
async fn the_log_at_its_most_talkative_names_no_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let log = File::create(&path).expect("a file");
    let mut story = Story::begin(Operator::new(), &[], log).await;
    story.sign_up().await;
    story.look_after_account().await;
    story.talk().await;
    story.operate().await;
    let Story { server, secrets, operator, .. } = story;
    server.stop().await;
    drop(operator);
    demand_discretion(&std::fs::read_to_string(&path).expect("text"), &secrets);
}

#[tokio::test]
async fn the_log_of_a_node_names_no_secret_also_when_its_database_and_nats_are_gone() {
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let cluster = tokio::task::spawn_blocking(|| Cluster::with(&[], Some(rules)));
    let cluster = cluster.await.expect("a cluster");
    let admin = engine::client(&cluster.url("postgres")).await;
    let role = format!("CREATE ROLE ada LOGIN SUPERUSER PASSWORD '{DATABASE_PASSWORD}'");
    admin.batch_execute(&role).await.expect("made");
    let nats = Nats::start_with(&["--user", "ada", "--pass", NATS_PASSWORD]).await;
    let at = format!("127.0.0.1:{}", cluster.port);
    let database = format!("postgres://ada:{DATABASE_PASSWORD}@{at}/postgres");
    let bus = format!("nats://ada:{NATS_PASSWORD}@{}", nats.address);

    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let log = File::create(&path).expect("a file");
    let operator = Operator { database: Some(database), ..Operator::new() };
    let url = operator.database.clone().expect("set");
    let env = [("MEOWW_DATABASE_URL", url.as_str()), ("MEOWW_NATS_URL", &bus)];
    let mut story = Story::begin(operator, &env, log).await;
    story.sign_up().await;
    story.look_after_account().await;
    story.talk().await;
    story.operate().await;
    tokio::task::spawn_blocking(|| cluster.stop()).await.expect("stopped");
    drop(nats);
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let (status, _) = story.ask(Method::POST, "/api/auth/login", login).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    story.ask(Method::GET, "/ready", Value::Null).await;
    let said = async {
        loop {
            let log = std::fs::read_to_string(&path).expect("text");
            if log.contains("event: disconnected") || log.contains("\"event\":\"disconnected\"") {
                return log;
            }
            tokio::task::yield_now().await;
        }
    };
    patiently(said).await;
    let Story { mut server, secrets, .. } = story;
    server.kill().await;
    let log = std::fs::read_to_string(&path).expect("text");
    assert!(log.contains("could not look up") || log.contains("put off"), "it misses them");
    demand_discretion(&log, &secrets);
}

#[tokio::test]
async fn a_mail_server_that_does_not_answer_is_logged_without_its_password() {
    let operator = Operator::new();
    let path = operator.path("log");
    let mut command = command(&operator.data());
    let url = format!("smtp://meoww:{SMTP_PASSWORD}@127.0.0.1:1");
    command.env("MEOWW_SMTP_URL", url).env("MEOWW_LOG", "trace").stdin(Stdio::null());
    let server = Process::spawn(command.stderr(File::create(&path).expect("a file"))).await;
    let http = reqwest::Client::new();
    let url = format!("{}/api/auth/signup", server.url);
    let (status, _) =
        Process::post(&http, &url, &crate::harness::signup("ada")).await.expect("an answer");
    assert!(!status.is_success(), "{status}");
    server.stop().await;
    let log = std::fs::read_to_string(&path).expect("text");
    assert!(log.contains("mail") && !log.contains(SMTP_PASSWORD), "{log}");
}
