//! What an operator types, as the real program, with a server that runs and without one.

use std::{
    os::unix::fs::{FileTypeExt, PermissionsExt},
    process::{Output, Stdio},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    engine,
    harness::{PASSWORD, patiently, signup},
    process::{Process, command},
};

/// A data directory, and the commands on it.
pub(crate) struct Operator {
    pub(crate) dir: TempDir,
    /// Where the database is, if that is elsewhere.
    pub(crate) database: Option<String>,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), database: None }
    }

    /// One with an empty PostgreSQL.
    pub(crate) async fn with_postgres() -> Self {
        Self { database: Some(engine::fresh_database().await), ..Self::new() }
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("text").to_owned()
    }

    pub(crate) async fn server(&self) -> Process {
        let mut command = command(&self.data());
        command.envs(self.database()).stderr(Stdio::null());
        Process::spawn(&mut command).await
    }

    fn database(&self) -> Option<(&'static str, &str)> {
        self.database.as_deref().map(|url| ("MEOWW_DATABASE_URL", url))
    }

    pub(crate) async fn types(&self, arguments: &[&str]) -> Said {
        self.types_with(arguments, &[], "").await
    }

    pub(crate) async fn types_with(
        &self,
        arguments: &[&str],
        env: &[(&str, &str)],
        stdin: &str,
    ) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meoww-server"));
        command.args(arguments).arg("--data-dir").arg(self.data()).env_clear();
        command.envs(self.database()).envs(env.iter().copied()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut pipe = child.stdin.take().expect("piped");
        // A command that asks nothing may be gone already.
        let _ = pipe.write_all(stdin.as_bytes()).await;
        drop(pipe);
        let Output { status, stdout, stderr } =
            patiently(child.wait_with_output()).await.expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said { code: status.code().expect("a code"), out: text(stdout), err: text(stderr) }
    }

    /// A command that must do what it was asked; the lines of JSON it prints.
    pub(crate) async fn asks(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.types(&[arguments, &["--json"]].concat()).await;
        assert_eq!(said.code, 0, "{arguments:?}: {} {}", said.out, said.err);
        said.json()
    }

    pub(crate) async fn ask(&self, arguments: &[&str]) -> Value {
        let lines = self.asks(arguments).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().expect("one")
    }

    pub(crate) async fn code(&self, arguments: &[&str]) -> i32 {
        self.types(arguments).await.code
    }
}

impl Said {
    pub(crate) fn json(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

const ADA: [&str; 9] = [
    "user",
    "create",
    "--name",
    "Ada",
    "--username",
    "ada",
    "--email",
    "ada@example.com",
    "--verified",
];

/// Everything about accounts, in words that are the same with a server and without one.
async fn accounts_come_and_go(operator: &Operator) {
    let ada = operator.ask(&ADA).await;
    assert_eq!((&ada["username"], &ada["email"]), (&json!("ada"), &json!("ada@example.com")));
    let id = ada["id"].as_str().expect("an id");
    assert_eq!(operator.code(&ADA).await, 10);
    let bob = ["user", "create", "--name", "Bob", "--username", "bob", "--email", "bob@b.example"];
    operator.ask(&bob).await;

    for named in [id, "ada", "ADA", "ada@example.com"] {
        assert_eq!(operator.ask(&["user", "show", named]).await["id"], id);
    }
    let names = |rows: Vec<Value>| -> Vec<String> {
        rows.iter().map(|row| row["username"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(names(operator.asks(&["user", "list", "--unverified"]).await), ["bob"]);
    assert_eq!(names(operator.asks(&["user", "list", "--search", "EXAMPLE.com"]).await), ["ada"]);
    let first = operator.asks(&["user", "list", "--limit", "1"]).await;
    let after = first[0]["id"].as_str().expect("an id");
    let rest = operator.asks(&["user", "list", "--after", after]).await;
    assert_eq!((first.len(), rest.len()), (1, 1));
    assert_ne!(first[0]["id"], rest[0]["id"]);

    assert_eq!(operator.ask(&["user", "verify", "bob"]).await["isVerified"], true);
    let banned = operator.ask(&["user", "ban", "ada", "--reason", "spam", "--until", "7d"]).await;
    assert_eq!(banned["ban"]["reason"], "spam");
    assert!(banned["ban"]["until"].as_str().expect("a time").ends_with('Z'));
    assert_eq!(names(operator.asks(&["user", "list", "--banned"]).await), ["ada"]);
    let until = ["user", "ban", "ada", "--reason", "spam", "--until", "2100-12-31"];
    assert_eq!(operator.ask(&until).await["ban"]["until"], "2100-12-31T00:00:00.000Z");
    assert_eq!(operator.code(&["user", "ban", "ada", "--reason", "x", "--until", "soon"]).await, 2);
    assert_eq!(operator.ask(&["user", "unban", "ada"]).await["ban"], Value::Null);
    assert_eq!(operator.code(&["user", "show", "nobody"]).await, 8);

    let stdin = "a fine new horse\n";
    let set = operator.types_with(&["user", "set-password", "ada"], &[], stdin).await;
    assert_eq!(set.code, 0, "{}", set.err);
    assert_eq!(operator.types_with(&["user", "set-password", "ada"], &[], "short\n").await.code, 2);
    assert_eq!(operator.asks(&["user", "sessions", "ada"]).await.len(), 0);
    let unknown = "2f1c7f0e-6a53-4f0e-9d3b-0d6f2a1f9c11";
    assert_eq!(operator.code(&["user", "sessions", "ada", "--end", unknown]).await, 8);
    operator.asks(&["user", "create", "--count", "1", "--verified", "--tokens"]).await;
    let load = operator.asks(&["user", "list", "--search", "@load.invalid"]).await;
    let load = load[0]["id"].as_str().expect("an id");
    let session = operator.ask(&["user", "sessions", load]).await;
    assert_eq!(session["client"], "meoww-server user create");
    let id = session["id"].as_str().expect("an id");
    assert_eq!(operator.asks(&["user", "sessions", load, "--end", id]).await.len(), 0);
    operator.ask(&["user", "delete", load]).await;
    assert_eq!(operator.code(&["user", "show", load]).await, 8);

    let stats = operator.ask(&["stats"]).await;
    assert_eq!((&stats["accounts"], &stats["verified"]), (&json!(2), &json!(2)));
    let checked = operator.ask(&["db", "check"]).await;
    assert_eq!((&checked["records"]["account"], &checked["findings"]), (&json!(2), &json!([])));
    let table = operator.types(&["user", "list"]).await.out;
    assert!(table.lines().count() == 3 && table.contains("USERNAME"), "{table}");
    assert!(!table.contains(['|', '+', '─']), "{table}");
}

#[tokio::test]
async fn accounts_without_a_server() {
    let operator = Operator::new();
    let said = operator.types(&["user", "list"]).await;
    assert!(said.code == 4 && said.err.contains("no database"), "{} {}", said.code, said.err);
    accounts_come_and_go(&operator).await;
    assert_eq!(operator.ask(&["stats"]).await["live"], Value::Null);
}

#[tokio::test]
async fn accounts_with_a_server() {
    let operator = Operator::new();
    let server = operator.server().await;
    accounts_come_and_go(&operator).await;
    assert_eq!(operator.ask(&["stats"]).await["live"]["rooms"], 0);

    let socket = operator.data().join("admin.sock");
    let metadata = std::fs::metadata(&socket).expect("a socket");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    server.stop().await;
    assert!(!socket.exists());

    // One that was left behind is no obstacle, to neither side.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
    assert!(socket.exists());
    assert_eq!(operator.asks(&["user", "list"]).await.len(), 2);
    let server = operator.server().await;
    assert_eq!(operator.ask(&["stats"]).await["live"]["connections"], 0);
    server.stop().await;
}

#[tokio::test]
async fn a_data_directory_may_lie_deep() {
    let operator = Operator::new();
    let deep = operator.dir.path().join("d".repeat(120));
    let server = Process::spawn(command(&deep).stderr(Stdio::null())).await;
    let deep_text = deep.to_str().expect("text");
    let said = Command::new(env!("CARGO_BIN_EXE_meoww-server"))
        .args(["stats", "--json", "--data-dir", deep_text])
        .env_clear()
        .output()
        .await
        .expect("it runs");
    let stats: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(stats["live"]["rooms"], 0);
    server.stop().await;
    assert!(!deep.join("admin.sock").exists());
}

#[tokio::test]
async fn nonsense_at_the_socket_is_answered_and_bounded() {
    use tokio::{io::AsyncReadExt, net::UnixStream};
    let operator = Operator::new();
    let server = operator.server().await;
    let socket = operator.data().join("admin.sock");
    let garbage = "x".repeat(200_000);
    let unknown = json!({ "version": 1, "ask": "user eat", "of": {} }).to_string();
    let newer = json!({ "version": 2, "ask": "stats", "of": {} }).to_string();
    let malformed = json!({ "version": 1, "ask": "user list", "of": [] }).to_string();
    for line in [garbage, unknown, newer, malformed, "{}".into(), String::new()] {
        let mut peer = patiently(async {
            loop {
                if let Ok(peer) = UnixStream::connect(&socket).await {
                    return peer;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        // What is too long is not read to its end.
        let _ = peer.write_all(format!("{line}\n").as_bytes()).await;
        let mut reply = String::new();
        let read = patiently(peer.read_to_string(&mut reply)).await;
        assert!(read.is_err() || reply.contains("problem"), "{reply}");
    }
    assert_eq!(operator.ask(&["stats"]).await["accounts"], 0);
    server.stop().await;
}

#[tokio::test]
async fn tokens_for_a_load_test_are_good() {
    let operator = Operator::new();
    let server = operator.server().await;
    let create = ["user", "create", "--count", "200", "--verified", "--tokens"];
    let said = operator.types(&create).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let cookies: Vec<_> = said.out.lines().collect();
    assert_eq!(cookies.len(), 200);
    let http = reqwest::Client::new();
    for cookie in [cookies[0], cookies[199]] {
        let me = http.get(format!("{}/api/auth/me", server.url)).header("cookie", cookie);
        let answer = patiently(me.send()).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let json = operator.asks(&["user", "create", "--count", "2", "--verified", "--tokens"]).await;
    assert!(json[1]["cookie"].as_str().expect("a cookie").starts_with("access_token="));
    assert_eq!(operator.ask(&["db", "check"]).await["records"]["session"], 202);
    assert_eq!(operator.code(&["user", "create", "--count", "2", "--username", "ada"]).await, 2);
    assert_eq!(operator.code(&["user", "create"]).await, 2);
    server.stop().await;
}

pub(crate) async fn login(server: &Process, email: &str, password: &str) -> (StatusCode, Value) {
    let body = json!({ "email": email, "password": password });
    let url = format!("{}/api/auth/login", server.url);
    patiently(Process::post(&reqwest::Client::new(), &url, &body)).await.expect("an answer")
}

#[tokio::test]
async fn exports_and_imports_go_through_a_running_server_too() {
    let operator = Operator::new();
    let server = operator.server().await;
    operator.asks(&["user", "create", "--count", "300", "--verified", "--tokens"]).await;
    let file = operator.path("all.jsonl");
    let exported = operator.ask(&["db", "export", &file]).await;
    assert_eq!(exported["records"], 900);
    let mode = std::fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let all = std::fs::read_to_string(&file).expect("text");
    assert_eq!(operator.types(&["db", "export", "-"]).await.out, all);
    assert_eq!(operator.types(&["db", "import", &file]).await.code, 10);
    let again = operator.ask(&["db", "import", "--merge", &file]).await;
    assert_eq!((&again["kept"], &again["added"]), (&json!(900), &json!({})));
    server.stop().await;
    assert_eq!(operator.types(&["db", "export", "-"]).await.out, all);

    let other = Operator::new();
    let said = other.types_with(&["db", "import", "-", "--dry-run"], &[], &all).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(other.ask(&["stats"]).await["accounts"], 0);
    let server = other.server().await;
    let said = other.types_with(&["db", "import", "-"], &[], &all).await;
    assert!(said.code == 0 && said.out.contains("300 account added"), "{} {}", said.out, said.err);
    assert_eq!(other.types(&["db", "export", "-"]).await.out, all);
    let cut = &all[..all.len() / 2];
    let said = other.types_with(&["db", "import", "-", "--merge"], &[], cut).await;
    assert!(said.code == 9 && said.err.contains("nothing was"), "{} {}", said.code, said.err);
    server.stop().await;
    assert_eq!(other.types(&["db", "export", "-"]).await.out, all);
}

#[tokio::test]
async fn a_backup_makes_a_server_that_knows_everybody() {
    let operator = Operator::new();
    let server = operator.server().await;
    let url = format!("{}/api/auth/signup", server.url);
    let http = reqwest::Client::new();
    let (status, _) = patiently(Process::post(&http, &url, &signup("ada"))).await.expect("sent");
    assert_eq!(status, StatusCode::CREATED);
    operator.ask(&["user", "verify", "ada"]).await;
    let cookie = operator.asks(&["user", "create", "--count", "1", "--verified", "--tokens"]).await
        [0]["cookie"]
        .as_str()
        .expect("a cookie")
        .to_owned();
    let photos = operator.data().join("photos");
    std::fs::create_dir_all(&photos).expect("made");
    std::fs::write(photos.join("a.jpg"), "a picture").expect("written");
    let backup = operator.path("backup");
    let saved = operator.ask(&["db", "backup", &backup]).await;
    assert_eq!(saved["photos"], 1);
    assert_eq!(operator.code(&["db", "backup", &backup]).await, 10);
    assert_eq!(operator.code(&["db", "restore", &backup]).await, 4, "a server runs there");
    server.stop().await;
    assert_eq!(operator.code(&["db", "restore", &backup]).await, 10, "a database is there");
    let before = operator.types(&["db", "export", "-"]).await.out;

    let other = Operator::new();
    let restored = other.ask(&["db", "restore", &backup]).await;
    assert_eq!((&restored["records"], &restored["photos"]), (&saved["records"], &saved["photos"]));
    assert_eq!(other.types(&["db", "export", "-"]).await.out, before);
    assert_eq!(std::fs::read(other.data().join("photos/a.jpg")).expect("there"), b"a picture");
    assert!(!other.data().join("restore.part").exists());
    let server = other.server().await;
    assert_eq!(login(&server, "ada@example.com", PASSWORD).await.0, StatusCode::OK);
    // Signed with the old server's own key, which came along.
    let me = http.get(format!("{}/api/auth/me", server.url)).header("cookie", cookie);
    assert_eq!(patiently(me.send()).await.expect("an answer").status(), StatusCode::OK);
    server.stop().await;
}
