//! What servers on one database must not count or keep each for itself: limits, and whose session
//! ended. There is no bus here, as a word that is lost on it must cost nobody more than a moment.

use std::time::Duration;

use meoww_proto::{
    error::SignalErrorCode,
    signal::{ClientMessage, Search, ServerMessage},
};
use meoww_server::{
    config::{Config, Limits, Secret},
    core::{limits::Quota, safety::Block},
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    engine,
    fleet::{ACCESS_SECRET, share_secrets},
    harness::{PASSWORD, TestServer, signup},
    sockets::{expect_gone, room_of_two},
};

/// Servers that share a database and no NATS.
async fn two_servers(limits: Limits) -> [TestServer; 2] {
    two_servers_on(&engine::fresh_database().await, limits).await
}

async fn two_servers_on(database: &str, limits: Limits) -> [TestServer; 2] {
    let server = async || {
        TestServer::with(|config: &mut Config| {
            share_secrets(&config.data_dir);
            config.access_secret = Some(Secret::new(ACCESS_SECRET.into()));
            config.database = Some(engine::url(database));
            config.limits = limits;
        })
        .await
    };
    [server().await, server().await]
}

fn quota(requests: u32) -> Option<Quota> {
    Some(Quota { requests, window: Duration::from_secs(3600) })
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_at_two_servers_count_as_at_one() {
    let [first, second] = two_servers(Limits { account_login: quota(3), ..Limits::OFF }).await;
    let ada = first.member("ada").await;
    // A right one does not count, wherever it was tried.
    for server in [&first, &second, &first, &second] {
        assert_eq!(server.login(&ada.email, PASSWORD).await.status, StatusCode::OK);
    }
    for server in [&first, &second, &first] {
        let answer = server.login(&ada.email, "wrong horse").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for server in [&first, &second] {
        let answer = server.login(&ada.email, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.body);
        let wait: u64 = answer.headers["retry-after"].to_str().expect("text").parse().expect("s");
        assert!((3500..=3600).contains(&wait), "{wait}");
    }
    let bob = second.member("bob").await;
    assert_eq!(first.login(&bob.email, PASSWORD).await.status, StatusCode::OK, "another account");
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_and_codes_at_two_servers_count_as_at_one() {
    let limits = Limits { signup: quota(3), account_code: quota(2), ..Limits::OFF };
    let [first, second] = two_servers(limits).await;
    for (server, left) in [(&first, "2"), (&second, "1"), (&first, "0")] {
        let answer = server.post("/api/auth/signup", signup(&format!("ada{left}"))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        assert_eq!(answer.headers["ratelimit-remaining"], left);
    }
    let answer = second.post("/api/auth/signup", signup("ada")).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let forgot = json!({ "email": "ada2@example.com" });
    for (server, status) in [
        (&first, StatusCode::OK),
        (&second, StatusCode::OK),
        (&first, StatusCode::TOO_MANY_REQUESTS),
        (&second, StatusCode::TOO_MANY_REQUESTS),
    ] {
        let answer = server.post("/api/auth/password/forgot", forgot.clone()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_over_counts_no_more() {
    let second = Some(Quota { requests: 1, window: Duration::from_secs(1) });
    let [server, _other] = two_servers(Limits { signup: second, ..Limits::OFF }).await;
    let mut created = 0;
    for n in 0.. {
        let answer = server.post("/api/auth/signup", signup(&format!("ada{n}"))).await;
        match answer.status {
            StatusCode::CREATED if created == 1 => break,
            StatusCode::CREATED => created += 1,
            status => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.body),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_elsewhere_closes_its_socket_without_a_word_on_the_bus() {
    let database = engine::fresh_database().await;
    let [first, second] = two_servers_on(&database, Limits::OFF).await;
    let (ada, mut socket) = first.peer("ada").await;
    let (bob, mut banned) = first.peer("bob").await;
    let (_, mut other) = first.peer("cyd").await;
    // All sessions but the one that asks.
    let access = second.login(&ada.email, PASSWORD).await.cookie("access_token");
    let reply = second.send_as(Method::DELETE, "/api/auth/sessions", &access, json!({})).await;
    assert!(reply.status.is_success(), "{}", reply.body);
    socket.expect_error(SignalErrorCode::SessionEnded).await;
    // By somebody who speaks to the database alone.
    let database = engine::client(&database).await;
    let ban = json!({ "reason": "spam", "until": null });
    let sql = format!(
        "UPDATE accounts SET value = jsonb_set(value::jsonb, '{{value,ban}}', '{ban}')::json \
         WHERE encode(key, 'hex') = '{id}'; \
         DELETE FROM sessions WHERE value->'value'->>'user' = '{id}'",
        id = bob.id
    );
    database.batch_execute(&sql).await.expect("written");
    banned.expect_error(SignalErrorCode::Banned).await;
    other.send(ClientMessage::Search(Search::default())).await;
    assert!(matches!(other.next().await, ServerMessage::Searching), "others stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_change_elsewhere_hold_here_without_a_word_on_the_bus() {
    let database = engine::fresh_database().await;
    let [server, _] = two_servers_on(&database, Limits::OFF).await;
    let ([ada, bob], [mut one, mut other], room) = room_of_two(&server).await;
    let store = engine::connect(&database).await;
    let block = Block { room, blocked: bob.id, since: OffsetDateTime::UNIX_EPOCH };
    store.add_block(ada.id, block).await.expect("kept");
    expect_gone(&mut one, room).await;
    expect_gone(&mut other, room).await;
    for peer in [&mut one, &mut other] {
        peer.send(ClientMessage::Search(Search::default())).await;
        assert!(matches!(peer.next().await, ServerMessage::Searching));
    }
    assert_eq!(store.remove_block(ada.id, room).await.expect("kept"), Some(bob.id));
    assert_eq!(one.next_matched().await.room_id, other.next_matched().await.room_id);
}
