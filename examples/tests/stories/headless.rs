//! Scripts: JSON lines out, JSON lines in.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    server::{Server, program},
    user::User,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `meoww search --headless --json`; dropping it kills it.
pub(crate) struct Script {
    process: Child,
    commands: ChildStdin,
    events: mpsc::Receiver<Value>,
}

impl Script {
    pub(crate) fn start(user: &User, arguments: &[&str]) -> Self {
        Self::start_in("env", user, arguments)
    }

    /// By a command that runs the one that follows it, as what it became.
    pub(crate) fn start_in(prefix: &str, user: &User, arguments: &[&str]) -> Self {
        let mut prefix = prefix.split(' ');
        let mut process = Command::new(prefix.next().expect("a program"))
            .args(prefix)
            .arg(program("meoww"))
            .args(["search", "--headless", "--json"])
            .args(arguments)
            .envs(user.environment())
            .env("MEOWW_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let commands = process.stdin.take().expect("piped");
        let events = json_lines(process.stdout.take().expect("piped"));
        Self { process, commands, events }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.commands, "{line}").expect("said");
    }

    /// The next event of this name; others are passed over.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str) -> Value {
        self.wait_until(name, |event| event["event"] == name)
    }

    /// The next event of which this is true; others are passed over.
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "other events come all the time; patience ends")]
    pub(crate) fn wait_until(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left);
            let event = event.unwrap_or_else(|error| panic!("no {what}: {error}"));
            if is_it(&event) {
                return event;
            }
        }
    }

    #[track_caller]
    pub(crate) fn ended(&mut self) -> i32 {
        self.process.wait().expect("ended").code().expect("an exit code")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn json_lines(stdout: ChildStdout) -> mpsc::Receiver<Value> {
    let (lines, received) = mpsc::sync_channel(1024);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let event = serde_json::from_str(&line).expect("a JSON line");
            if lines.send(event).is_err() {
                return;
            }
        }
    });
    received
}

#[test]
fn a_script_has_a_call() {
    let server = Server::start();
    let users = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let mut anna = Script::start(&users[0], &["--camera", "pattern", "--rounds", "1"]);
    anna.wait_for("searching");
    let mut bert = Script::start(&users[1], &["--camera", "pattern"]);
    let matched = [&anna, &bert].map(|script| script.wait_for("matched"));
    assert_eq!(matched[0]["roomId"], matched[1]["roomId"]);
    assert_ne!(matched[0]["isInitiator"], matched[1]["isInitiator"]);
    for script in [&anna, &bert] {
        assert_eq!(script.wait_for("connected")["relayed"], false);
        script.wait_for("first-frame");
    }
    anna.say(r#"{"command":"message","text":"for bert alone"}"#);
    let heard = bert.wait_for("message");
    assert_eq!((&heard["text"], &heard["fromSelf"]), (&"for bert alone".into(), &false.into()));
    assert_eq!(anna.wait_for("message")["fromSelf"], true);
    // The first packets may come before the track that they belong to is known.
    let begun = bert.wait_for("stats");
    let decoded = |stats: &Value| stats["framesDecoded"].as_u64().expect("a number");
    let later = std::iter::repeat_with(|| bert.wait_for("stats"))
        .find(|stats| decoded(stats) > decoded(&begun) + 10)
        .expect("endless");
    assert_eq!(later["framesLost"], begun["framesLost"]);

    for noise in [&b"dance\n"[..], b"\xff\n"] {
        bert.commands.write_all(noise).expect("said");
        assert_eq!(bert.wait_for("error")["code"], "bad-command");
    }
    bert.say(r#"{"command":"leave"}"#);
    assert_eq!(anna.wait_for("peer-disconnected")["reason"], "peer-left");
    assert_eq!(bert.ended(), 0);
    assert_eq!(anna.ended(), 0, "one round was asked for");
    for user in &users {
        let log = user.log();
        assert!(log.contains("media connection state=connected"), "it says what happened: {log}");
        for address in meoww_cli::interfaces::addresses() {
            assert!(!log.contains(&address.to_string()), "{address} is in the log: {log}");
        }
        for word in ["for bert alone", "correct horse", "eyJ", "ice-pwd"] {
            assert!(!log.contains(word), "{word} is in the log of {}", user.email());
        }
    }
}

#[test]
fn rounds_of_a_set_time_go_by_without_a_word() {
    let server = Server::start();
    let users = ["anna", "bert", "cleo"].map(|name| User::with_account(name, &server));
    let plan = ["--camera", "none", "--rounds", "2", "--duration", "500ms"];
    let mut scripts = users.each_ref().map(|user| Script::start(user, &plan));
    // The last may wait for a partner who never comes, as the others are done.
    scripts[0].wait_for("peer-disconnected");
    scripts[0].wait_for("peer-disconnected");
    assert_eq!(scripts[0].ended(), 0);
}

/// Ends as its reader has read enough; the exit code is that of the reader.
#[test]
fn a_script_that_is_read_no_more_says_goodbye() {
    let server = Server::start();
    let users = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let bert = Script::start(&users[1], &["--camera", "none"]);
    bert.wait_for("searching");
    let mut anna = Command::new("sh")
        .args(["-c", "\"$0\" search --headless --json --camera none | head -4"])
        .arg(program("meoww"))
        .envs(users[0].environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    bert.wait_for("connected");
    assert_eq!(bert.wait_for("peer-disconnected")["reason"], "peer-left");
    let mut said = String::new();
    anna.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
    assert_eq!(said, "", "to read no more is no error");
    anna.wait().expect("ended");
}

#[test]
fn a_script_whose_terminal_is_closed_says_goodbye() {
    let server = Server::start();
    let users = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let [mut anna, bert] = users.each_ref().map(|user| Script::start(user, &["--camera", "none"]));
    for script in [&anna, &bert] {
        script.wait_for("connected");
    }
    let id = anna.process.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().expect("run").success());
    assert_eq!(bert.wait_for("peer-disconnected")["reason"], "peer-left");
    assert_eq!(anna.wait_for("peer-disconnected")["reason"], "left");
    assert_eq!(anna.ended(), 0);
}
