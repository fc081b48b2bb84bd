//! A call through a real TURN server, and through nothing else.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{headless::Script, server::Server, user::User};

pub(crate) const SECRET: &str = "a secret that coturn and the server share";

/// coturn on this machine; dropping it kills it.
pub(crate) struct Relay {
    process: Child,
    pub(crate) port: u16,
}

impl Relay {
    fn start() -> Self {
        Self::start_at("127.0.0.1")
    }

    /// At an address of this machine, by UDP and TCP.
    pub(crate) fn start_at(ip: &str) -> Self {
        Self::start_with(ip, &["--no-tls"])
    }

    /// By TCP alone, as where UDP is blocked.
    fn without_udp() -> Self {
        Self::start_with("127.0.0.1", &["--no-tls", "--no-udp"])
    }

    /// By TLS alone, with a certificate and its key.
    fn with_tls(certificate: &Path, key: &Path) -> Self {
        let [certificate, key] = [("cert", certificate), ("pkey", key)]
            .map(|(name, file)| format!("--{name}={}", file.display()));
        Self::start_with("127.0.0.1", &["--no-udp", "--no-tcp", &certificate, &key])
    }

    fn start_with(ip: &str, more: &[&str]) -> Self {
        let port = UdpSocket::bind((ip, 0)).and_then(|s| s.local_addr()).expect("a port").port();
        let mut process = Command::new("turnserver")
            .args(["-n", "--realm=meoww"])
            .args([format!("--listening-ip={ip}"), format!("--relay-ip={ip}")])
            .args(["--use-auth-secret", "--no-cli", "--no-dtls", "--log-file=stdout"])
            .args(["--allow-loopback-peers", "--verbose", "--pidfile=/dev/null"])
            .args([format!("--static-auth-secret={SECRET}"), format!("--listening-port={port}")])
            .args([format!("--tls-listening-port={port}")])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn (scripts/setup test installs it)");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        // Said last, by the threads that know the users. A request that is there before them is lost.
        let up = lines.any(|line| line.is_ok_and(|line| line.contains("DB connection success")));
        assert!(up, "coturn ended");
        // Whoever does not read what it says stops it in the end.
        std::thread::spawn(move || lines.map_while(Result::ok).count());
        Self { process, port }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_call_through_the_relay_alone() {
    let relay = Relay::start();
    let turn = format!("turn:127.0.0.1:{}?transport=udp", relay.port);
    let server = Server::start_with(&[("TURN_SECRET", SECRET), ("TURN_SERVER_URL", &turn)]);
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let arguments = ["--camera", "pattern", "--relay-only"];
    let anna = Script::start(&anna, &arguments);
    anna.wait_for("searching");
    let bert = Script::start(&bert, &arguments);
    for script in [&anna, &bert] {
        assert_eq!(script.wait_for("connected")["relayed"], true);
        script.wait_for("first-frame");
    }
}

/// Has a call through a relay that is reached in one way alone.
fn a_call_by(turn: &str, env: &[(&str, &str)]) {
    let server = Server::start_with(&[("TURN_SECRET", SECRET), ("TURN_SERVER_URL", turn)]);
    let [anna, bert] = ["anna", "bert"].map(|name| {
        let mut user = User::with_account(name, &server);
        user.env.extend(env.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        user
    });
    let arguments = ["--camera", "pattern", "--relay-only"];
    let anna = Script::start(&anna, &arguments);
    anna.wait_for("searching");
    let bert = Script::start(&bert, &arguments);
    for script in [&anna, &bert] {
        assert_eq!(script.wait_for("connected")["relayed"], true);
        script.wait_for("first-frame");
    }
}

#[test]
fn where_udp_is_blocked_a_call_goes_through_the_relay_by_tcp() {
    let relay = Relay::without_udp();
    a_call_by(&format!("turn:127.0.0.1:{}?transport=tcp", relay.port), &[]);
    // A URL that names no transport stands for both.
    a_call_by(&format!("turn:127.0.0.1:{}", relay.port), &[]);
}

#[test]
fn where_udp_is_blocked_a_call_goes_through_the_relay_by_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let folder = tempfile::tempdir().expect("a folder");
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let relay = Relay::with_tls(&certificate, &key);
    let trusted = certificate.to_str().expect("UTF-8");
    a_call_by(&format!("turns:localhost:{}", relay.port), &[("SSL_CERT_FILE", trusted)]);
}

/// Which is how strangers meet where there is a relay, and goes on directly once both want that.
#[test]
fn a_call_through_the_relay_that_goes_direct() {
    let relay = Relay::start();
    let turn = format!("turn:127.0.0.1:{}?transport=udp", relay.port);
    let server = Server::start_with(&[("TURN_SECRET", SECRET), ("TURN_SERVER_URL", &turn)]);
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let mut anna = Script::start(&anna, &["--camera", "pattern"]);
    anna.wait_for("searching");
    let mut bert = Script::start(&bert, &["--camera", "pattern"]);
    for script in [&anna, &bert] {
        assert_eq!(script.wait_for("connected")["relayed"], true);
        script.wait_for("first-frame");
    }
    anna.say(r#"{"command":"direct"}"#);
    assert_eq!(anna.wait_for("go-direct")["state"], "asking");
    assert_eq!(bert.wait_for("go-direct")["state"], "asked");
    bert.say(r#"{"command":"direct"}"#);
    for script in [&anna, &bert] {
        assert_eq!(script.wait_for("go-direct")["state"], "agreed");
        assert_eq!(script.wait_for("route")["relayed"], false);
    }
}

#[test]
fn without_a_relay_strangers_are_told_before_the_first_match() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let anna = Script::start(&anna, &["--camera", "none"]);
    let notice = anna.wait_for("notice")["message"].to_string();
    assert!(notice.contains("no relay") && notice.contains("your address"), "{notice}");
    anna.wait_for("searching");
}

#[test]
fn without_a_relay_relay_only_never_connects() {
    let server = Server::start();
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let anna = Script::start(&anna, &["--camera", "none", "--relay-only", "--rounds", "1"]);
    anna.wait_for("searching");
    let _bert = Script::start(&bert, &["--camera", "none"]);
    // Both give up after the same time, and either may be the first.
    let reason = anna.wait_for("peer-disconnected")["reason"].clone();
    assert!(reason == "connect-failed" || reason == "peer-left", "{reason}");
}
