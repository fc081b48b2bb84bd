//! `turn check` against a real coturn.

use std::{
    io::{BufRead, BufReader},
    net::{TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
};

use meoww_server::config::Tls;

use crate::{
    harness::patiently,
    operator::{Operator, Said},
    tls::write_pair,
};

const SECRET: &str = "a secret that coturn and the server share";

/// coturn on this machine; dropping it kills it.
struct Relay {
    process: Child,
    port: u16,
    tls_port: u16,
}

impl Relay {
    /// With a certificate to show.
    fn start(tls: &Tls) -> Self {
        let port =
            UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port();
        let tls_port =
            TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port();
        let file = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut process = Command::new("turnserver")
            .args(["-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--realm=meoww"])
            .args(["--use-auth-secret", "--no-cli", "--no-dtls", "--log-file=stdout"])
            .args(["--allow-loopback-peers", "--verbose", "--pidfile=/dev/null"])
            .args([format!("--static-auth-secret={SECRET}"), format!("--listening-port={port}")])
            .args([format!("--tls-listening-port={tls_port}")])
            .args([file("cert", &tls.cert), file("pkey", &tls.key)])
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
        Self { process, port, tls_port }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `turn check` where this certificate, and no other, is trusted in.
async fn check(operator: &Operator, url: &str, secret: &str, trusted: &Path) -> Said {
    let trusted = trusted.to_str().expect("text");
    let env = [("TURN_SERVER_URL", url), ("TURN_SECRET", secret), ("SSL_CERT_FILE", trusted)];
    operator.types_with(&["turn", "check", "--json"], &env, "").await
}

fn pair(operator: &Operator, name: &str) -> Tls {
    let directory = operator.dir.path().join(name);
    std::fs::create_dir(&directory).expect("made");
    write_pair(&directory)
}

#[tokio::test]
async fn turn_check_gets_a_relay_with_the_right_secret_only() {
    let operator = Operator::new();
    let shown = pair(&operator, "shown");
    let of_relay = shown.clone();
    let relay = tokio::task::spawn_blocking(move || Relay::start(&of_relay)).await;
    let relay = relay.expect("started");
    let urls = [
        ("udp", format!("turn:127.0.0.1:{}", relay.port)),
        ("udp", format!("turn:127.0.0.1:{}?transport=udp", relay.port)),
        ("tcp", format!("turn:127.0.0.1:{}?transport=tcp", relay.port)),
        ("tls", format!("turns:127.0.0.1:{}", relay.tls_port)),
        ("tls", format!("turns:localhost:{}", relay.tls_port)),
        ("tls", format!("turns:127.0.0.1:{}?transport=tcp", relay.tls_port)),
    ];
    // Of its threads that know users not all may be up; a conversation that meets such a one is stuck.
    let is_up =
        async { while check(&operator, &urls[0].1, SECRET, &shown.cert).await.code != 0 {} };
    patiently(is_up).await;
    for (transport, url) in &urls {
        let said = check(&operator, url, SECRET, &shown.cert).await;
        assert_eq!(said.code, 0, "{url}: {}", said.err);
        let found = &said.json()[0];
        let relayed = found["relayed"].as_str().expect("an address");
        assert!(relayed.starts_with("127.0.0.1:"), "{relayed}");
        assert_eq!(found["transport"], *transport);
        let said = check(&operator, url, "another secret than coturn has", &shown.cert).await;
        assert!(said.code == 9 && said.err.contains("401"), "{url}: {}", said.err);
    }
    let foreign = pair(&operator, "foreign");
    let said = check(&operator, &urls[3].1, SECRET, &foreign.cert).await;
    assert!(said.code == 9 && said.err.contains("certificate"), "{}", said.err);
    let said = check(&operator, &urls[3].1, SECRET, Path::new("/dev/null")).await;
    assert!(said.code == 9 && said.err.contains("trusts in no certificates"), "{}", said.err);
}

#[tokio::test]
async fn turn_check_says_that_nobody_answers() {
    let operator = Operator::new();
    let nobody = Path::new("/dev/null");
    let free = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let silent = format!("turn:{}", free.local_addr().expect("bound"));
    assert_eq!(check(&operator, &silent, SECRET, nobody).await.code, 9);
    assert_eq!(operator.code(&["turn", "check"]).await, 9);
    assert_eq!(check(&operator, "turns:a?transport=udp", SECRET, nobody).await.code, 2);
}
