//! `turn check` against a real coturn.

use std::{net::UdpSocket, path::Path};

use meoww_server::config::Tls;

use crate::{
    coturn::Coturn,
    operator::{Operator, Said},
    tls::write_pair,
};

const SECRET: &str = "a secret that coturn and the server share";

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
    let [cert, key] = [("cert", &shown.cert), ("pkey", &shown.key)]
        .map(|(name, file)| format!("--{name}={}", file.display()));
    let secret = format!("--static-auth-secret={SECRET}");
    let start = move || Coturn::start("127.0.0.1", &["--use-auth-secret", &secret, &cert, &key]);
    let relay = tokio::task::spawn_blocking(start).await.expect("started");
    let urls = [
        ("udp", format!("turn:127.0.0.1:{}", relay.port)),
        ("udp", format!("turn:127.0.0.1:{}?transport=udp", relay.port)),
        ("tcp", format!("turn:127.0.0.1:{}?transport=tcp", relay.port)),
        ("tls", format!("turns:127.0.0.1:{}", relay.tls_port)),
        ("tls", format!("turns:localhost:{}", relay.tls_port)),
        ("tls", format!("turns:127.0.0.1:{}?transport=tcp", relay.tls_port)),
    ];
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
