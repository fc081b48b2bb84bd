//! What those who watch the server are told.

use std::net::SocketAddr;

use meoww_proto::signal::{ClientMessage, ServerMessage};
use meoww_server::{config::Secret, mail::Mailer};
use reqwest::{Method, StatusCode};

use crate::{
    engine::{self, Cluster},
    harness::{TestServer, patiently},
    nats::Nats,
};

async fn get(url: String) -> (StatusCode, String) {
    let response = patiently(reqwest::get(url)).await.expect("an answer");
    (response.status(), response.text().await.expect("text"))
}

/// What a server tells at this address.
pub(crate) async fn metrics(address: SocketAddr) -> String {
    get(format!("http://{address}/metrics")).await.1
}

pub(crate) fn figure(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{metrics}")).parse().expect("a number")
}

#[tokio::test]
async fn a_call_shows_in_the_metrics_which_are_not_for_the_public() {
    let server = TestServer::with(|config| {
        config.limits = meoww_server::config::Limits::OFF;
        config.metrics_listen = Some("127.0.0.1:0".parse().expect("an address"));
    })
    .await;
    let watch = format!("http://{}", server.app.metrics_address().expect("it listens"));
    let (_, mut ada) = server.peer("ada").await;
    let (_, mut bob) = server.peer("bob").await;
    ada.send(ClientMessage::Search(Default::default())).await;
    assert!(matches!(ada.next().await, ServerMessage::Searching));
    bob.send(ClientMessage::Search(Default::default())).await;
    let room = ada.next_matched().await.room_id;
    bob.next_matched().await;
    ada.say(room, "of nobody's business").await;
    bob.expect_chat("of nobody's business", false).await;
    server.login("ada@example.com", "wrong").await;
    server.send(Method::GET, "/no/such/secret", &[], "").await;

    let (status, metrics) = get(format!("{watch}/metrics")).await;
    assert_eq!(status, StatusCode::OK);
    for (name, expected) in [
        ("meoww_connections{adapter=\"ws\"}", 2.0),
        ("meoww_online", 2.0),
        ("meoww_searching", 0.0),
        ("meoww_rooms", 1.0),
        ("meoww_matches_total", 1.0),
        ("meoww_relayed_total{kind=\"chat\"}", 1.0),
        ("meoww_logins_total{outcome=\"failed\"}", 1.0),
        ("meoww_http_refusals_total{reason=\"invalid-credentials\"}", 1.0),
        (
            "meoww_http_requests_total{method=\"POST\",route=\"/api/auth/signup\",status=\"201\"}",
            2.0,
        ),
        ("meoww_http_requests_total{method=\"GET\",route=\"other\",status=\"404\"}", 1.0),
        ("meoww_hash_queue_depth", 0.0),
    ] {
        assert!((figure(&metrics, name) - expected).abs() < 0.5, "{name}\n{metrics}");
    }
    assert!(figure(&metrics, "meoww_store_write_seconds_count") >= 4.0, "two sign-ups, verified");
    assert!(figure(&metrics, "meoww_hash_queue_wait_seconds_count") >= 3.0);
    assert!(metrics.ends_with("# EOF\n") && !metrics.contains("secret"), "{metrics}");

    assert_eq!(get(format!("{watch}/health")).await, (StatusCode::OK, r#"{"status":"ok"}"#.into()));
    assert_eq!(get(format!("{watch}/ready")).await.0, StatusCode::OK);
    assert_eq!(get(format!("{}/metrics", server.url)).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn ready_says_which_part_is_not() {
    let server = TestServer::start().await;
    let everything = r#"{"status":"ready","database":"ok","mail":"ok","matching":"ok"}"#;
    assert_eq!(get(format!("{}/ready", server.url)).await, (StatusCode::OK, everything.into()));

    let (outbox, mail) = tokio::sync::mpsc::channel(1);
    drop(mail);
    let (_, mail) = tokio::sync::mpsc::channel(1);
    let server = TestServer::with_mailer(|_| {}, Mailer::Memory(outbox), mail).await;
    let no_mail = r#"{"status":"failed","database":"ok","mail":"failed","matching":"ok"}"#;
    let answer = get(format!("{}/ready", server.url)).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, no_mail.into()));
}

/// To leave a server out helps nobody where all servers share what fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_a_fleet_stays_in_use_while_its_database_is_away() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.expect("a cluster");
    let nats = Nats::start_with(&[]).await;
    let server = TestServer::with(|config| {
        config.database = Some(engine::url(&cluster.url("postgres")));
        config.nats = Some(Secret::new(nats.url()));
    })
    .await;
    assert_eq!(get(format!("{}/health", server.url)).await.0, StatusCode::OK, "it has begun");
    tokio::task::spawn_blocking(|| cluster.stop()).await.expect("stopped");
    let (status, said) = get(format!("{}/ready", server.url)).await;
    let degraded = r#"{"status":"degraded","database":"failed","mail":"ok","matching":"ok"}"#;
    assert_eq!((status, said.as_str()), (StatusCode::OK, degraded));
}

/// Tokens that were never issued cost no transaction and no flush.
#[tokio::test]
async fn unknown_refresh_tokens_write_nothing() {
    let server = TestServer::with(|config| {
        config.limits = meoww_server::config::Limits::OFF;
        config.metrics_listen = Some("127.0.0.1:0".parse().expect("an address"));
    })
    .await;
    let watch = format!("http://{}/metrics", server.app.metrics_address().expect("it listens"));
    let ada = server.member("ada").await;
    let writes = async || {
        let (_, metrics) = get(watch.clone()).await;
        figure(&metrics, "meoww_store_write_seconds_count")
    };
    let before = writes().await;
    for token in ["", "x", &ada.access, &"A".repeat(43), "\"quoted\""] {
        for route in ["refresh", "logout"] {
            let cookie = format!("refresh_token={token}");
            server.post_with_cookie(&format!("/api/auth/{route}"), &cookie).await;
        }
    }
    assert!((writes().await - before).abs() < 0.5, "{before} before");
    let cookie = format!("refresh_token={}", ada.refresh);
    let reply = server.post_with_cookie("/api/auth/refresh", &cookie).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(writes().await > before + 0.5, "a token of ours does");
}
