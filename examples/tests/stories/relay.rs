//! A call through a real TURN server, and through nothing else.

use std::fs;

use meoww_examples::coturn::Coturn;

use crate::{headless::Script, server::Server, user::User};

pub(crate) const SECRET: &str = "a secret that coturn and the server share";

/// With the secret, and settings of by what it serves.
fn relay_by(settings: &[&str]) -> Coturn {
    relay_at("127.0.0.1", settings)
}

pub(crate) fn relay_at(ip: &str, settings: &[&str]) -> Coturn {
    let secret = format!("--static-auth-secret={SECRET}");
    Coturn::start(ip, &[&["--use-auth-secret", &secret], settings].concat())
}

#[test]
fn a_call_through_the_relay_alone() {
    let relay = relay_by(&["--no-tls"]);
    a_call_by(&format!("turn:127.0.0.1:{}?transport=udp", relay.port), &[]);
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
    let relay = relay_by(&["--no-tls", "--no-udp"]);
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
    let [cert, pkey] = [("cert", &certificate), ("pkey", &key)]
        .map(|(name, file)| format!("--{name}={}", file.display()));
    let by_tls_alone = ["--no-udp", "--no-tcp", &cert, &pkey];
    let relay = relay_by(&by_tls_alone);
    let trusted = certificate.to_str().expect("UTF-8");
    a_call_by(&format!("turns:localhost:{}", relay.tls_port), &[("SSL_CERT_FILE", trusted)]);
}

/// Which is how strangers meet where there is a relay, and goes on directly once both want that.
#[test]
fn a_call_through_the_relay_that_goes_direct() {
    let relay = relay_by(&["--no-tls"]);
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
