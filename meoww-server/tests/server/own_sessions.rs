//! Seeing and ending one's own sessions, and the sockets that end with them.

use meoww_proto::{
    account::{SessionInfo, Sessions},
    error::SignalErrorCode,
};
use meoww_server::config::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Member, PASSWORD, Peer, TestServer};

const PATH: &str = "/api/auth/sessions";

async fn sessions(server: &TestServer, access: &str) -> Vec<SessionInfo> {
    let reply = server.get_as(PATH, access).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    serde_json::from_value::<Sessions>(reply.body).expect("sessions").sessions
}

async fn login(server: &TestServer, email: &str, agent: &str) -> Member {
    let headers = [("content-type", "application/json"), ("user-agent", agent)];
    let body = json!({ "email": email, "password": PASSWORD }).to_string();
    let reply = server.send(Method::POST, "/api/auth/login", &headers, body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    Member {
        id: reply.body["user"]["_id"].as_str().expect("an id").parse().expect("an id"),
        email: email.to_owned(),
        access: reply.cookie("access_token"),
        refresh: reply.cookie("refresh_token"),
    }
}

async fn welcomed(server: &TestServer, member: &Member) -> Peer {
    let mut peer = server.connect(member, "").await;
    peer.next().await;
    peer
}

/// Told that its session is over, then closed.
pub(crate) async fn expect_ended(peer: &mut Peer) {
    peer.expect_error(SignalErrorCode::SessionEnded).await;
    assert!(matches!(peer.next_raw().await, Some(Ok(Message::Close(Some(_))))));
}

/// Still served.
pub(crate) async fn expect_alive(peer: &mut Peer) {
    peer.send_text("{}").await;
    peer.expect_error(SignalErrorCode::BadEvent).await;
}

#[tokio::test]
async fn sessions_are_listed_with_what_opened_them() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let long = format!("Mozilla/5.0 \u{e9}{}", "x".repeat(300));
    let laptop = login(&server, &ada.email, &long).await;
    let before = sessions(&server, &laptop.access).await;
    let [newest, oldest] = &before[..] else { panic!("not two: {before:?}") };
    assert!(newest.current && !oldest.current && newest.id != oldest.id);
    assert!(newest.client.starts_with("Mozilla/5.0 ") && newest.client.chars().count() == 128);
    assert!(newest.created_at >= oldest.created_at && newest.created_at < newest.expires_at);

    let cookie = format!("refresh_token={}", ada.refresh);
    server.post_with_cookie("/api/auth/refresh", &cookie).await;
    let after = sessions(&server, &laptop.access).await;
    assert_eq!(after[1].created_at, oldest.created_at);
    assert!(after[1].refreshed_at > oldest.refreshed_at, "a refresh shows");
    let anonymous = server.send(Method::GET, PATH, &[], "").await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_ends_with_its_sockets_and_no_other() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let laptop = login(&server, &ada.email, "laptop").await;
    let (mut here, mut there) = (welcomed(&server, &ada).await, welcomed(&server, &laptop).await);
    let listed = sessions(&server, &ada.access).await;
    let other = listed.iter().find(|session| !session.current).expect("the laptop's");
    let path = format!("{PATH}/{}", other.id);

    let eve = server.member("eve").await;
    for id in [other.id.as_str(), "nonsense", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("{PATH}/{id}");
        let reply = server.send_as(Method::DELETE, &path, &eve.access, Value::Null).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{id} is none of hers");
    }
    let reply = server.send_as(Method::DELETE, &path, &ada.access, Value::Null).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.set_cookie("access_token").is_none(), "her own cookies stay");
    expect_ended(&mut there).await;
    expect_alive(&mut here).await;
    assert_eq!(server.get_as(PATH, &laptop.access).await.status, StatusCode::UNAUTHORIZED);
    let again = server.send_as(Method::DELETE, &path, &ada.access, Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);

    let own = format!("{PATH}/{}", sessions(&server, &ada.access).await[0].id);
    let reply = server.send_as(Method::DELETE, &own, &ada.access, Value::Null).await;
    assert_eq!(reply.cookie("access_token"), "", "to end one's own is to log out");
    expect_ended(&mut here).await;
}

#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let mut here = welcomed(&server, &ada).await;
    let mut elsewhere = Vec::new();
    for agent in ["laptop", "phone"] {
        let member = login(&server, &ada.email, agent).await;
        elsewhere.push((welcomed(&server, &member).await, member));
    }
    let reply = server.send_as(Method::DELETE, PATH, &ada.access, Value::Null).await;
    assert_eq!(reply.status, StatusCode::OK);
    for (peer, member) in &mut elsewhere {
        expect_ended(peer).await;
        let cookie = format!("refresh_token={}", member.refresh);
        let reply = server.post_with_cookie("/api/auth/refresh", &cookie).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    expect_alive(&mut here).await;
    assert_eq!(sessions(&server, &ada.access).await.len(), 1);
}

#[tokio::test]
async fn a_logout_and_a_stolen_token_close_the_socket() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let laptop = login(&server, &ada.email, "laptop").await;
    let (mut here, mut there) = (welcomed(&server, &ada).await, welcomed(&server, &laptop).await);
    let cookie = |token: &str| format!("refresh_token={token}");
    server.post_with_cookie("/api/auth/logout", &cookie(&ada.refresh)).await;
    expect_ended(&mut here).await;
    expect_alive(&mut there).await;
    let mut next = laptop.refresh.clone();
    for _ in 0..2 {
        let reply = server.post_with_cookie("/api/auth/refresh", &cookie(&next)).await;
        next = reply.cookie("refresh_token");
    }
    expect_alive(&mut there).await;
    server.post_with_cookie("/api/auth/refresh", &cookie(&laptop.refresh)).await;
    expect_ended(&mut there).await;
}

#[tokio::test]
async fn one_account_has_a_bounded_number_of_sessions() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let cookie = format!("refresh_token={}", ada.refresh);
    for _ in 0..100 {
        server.login(&ada.email, PASSWORD).await;
    }
    let reply = server.post_with_cookie("/api/auth/refresh", &cookie).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "the stalest made room");
    let newest = login(&server, &ada.email, "newest").await;
    assert_eq!(sessions(&server, &newest.access).await.len(), 100);
}

#[tokio::test]
async fn a_database_of_before_the_index_gets_one() {
    let server = TestServer::with(|config| {
        config.limits = Limits::OFF;
        // The other engine has had the index from its first day.
        config.database = None;
    })
    .await;
    let ada = server.member("ada").await;
    login(&server, &ada.email, "laptop").await;
    let old = |db: &sled::Db| {
        db.drop_tree("user_sessions").expect("dropped");
        db.clear().expect("forgotten that it was there");
    };
    let imported =
        |db: &sled::Db| db.open_tree("user_sessions").and_then(|t| t.clear()).expect("cleared");
    let server = server.reopened(old).await;
    assert_eq!(sessions(&server, &ada.access).await.len(), 2);
    let server = server.reopened(imported).await;
    assert_eq!(sessions(&server, &ada.access).await.len(), 2);
    let reply = server.send_as(Method::DELETE, PATH, &ada.access, Value::Null).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(sessions(&server, &ada.access).await.len(), 1);
}
