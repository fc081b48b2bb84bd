//! Changing one's password, and choosing a new one when it is forgotten.

use meoww_server::{config::Limits, core::limits::Quota, mail::Purpose};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    harness::{Member, PASSWORD, Reply, TestServer},
    own_sessions::expect_ended,
};

const NEW: &str = "purple monkey dishwasher";

async fn change(server: &TestServer, access: &str, current: &str, new: &str) -> Reply {
    let body = json!({ "currentPassword": current, "newPassword": new });
    server.send_as(Method::POST, "/api/auth/password", access, body).await
}

async fn forgot(server: &TestServer, email: &str) -> Reply {
    server.post("/api/auth/password/forgot", json!({ "email": email })).await
}

async fn reset(server: &TestServer, email: &str, otp: &str, new: &str) -> Reply {
    let body = json!({ "email": email, "otp": otp, "newPassword": new });
    server.post("/api/auth/password/reset", body).await
}

async fn socket(server: &TestServer, member: &Member) -> crate::harness::Peer {
    let mut peer = server.connect(member, "").await;
    peer.next().await;
    peer
}

#[tokio::test]
async fn a_changed_password_ends_every_session_and_opens_a_fresh_one() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let mut peer = socket(&server, &ada).await;
    let reply = change(&server, &ada.access, PASSWORD, NEW).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert_eq!(reply.body["user"]["email"], ada.email.as_str());
    expect_ended(&mut peer).await;
    let fresh = reply.cookie("access_token");
    assert_eq!(server.get_as("/api/auth/me", &fresh).await.status, StatusCode::OK);
    assert_eq!(server.get_as("/api/auth/me", &ada.access).await.status, StatusCode::UNAUTHORIZED);
    let cookie = format!("refresh_token={}", ada.refresh);
    let refreshed = server.post_with_cookie("/api/auth/refresh", &cookie).await;
    assert_eq!(refreshed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login(&ada.email, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login(&ada.email, NEW).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_password_is_not_changed_without_the_present_one_or_for_a_weak_one() {
    let server = TestServer::with(|config| {
        let window = std::time::Duration::from_secs(900);
        let account_login = Some(Quota { requests: 2, window });
        config.limits = Limits { account_login, ..Limits::OFF };
    })
    .await;
    let ada = server.member("ada").await;
    for weak in ["short", "password1", "ada@example.com", &"x".repeat(129)] {
        let reply = change(&server, &ada.access, PASSWORD, weak).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{weak}");
        assert_eq!(reply.body["code"], "INVALID_INPUT", "{weak}");
    }
    for _ in 0..2 {
        let reply = change(&server, &ada.access, "wrong horse", NEW).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            (reply.error(), &reply.body["code"]),
            ("Wrong password", &json!("WRONG_PASSWORD"))
        );
    }
    // A stolen access token is no way to guess the password.
    let reply = change(&server, &ada.access, PASSWORD, NEW).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let anonymous = server.post("/api/auth/password", json!({})).await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.get_as("/api/auth/me", &ada.access).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_a_code() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let mut peer = socket(&server, &ada).await;
    assert_eq!(forgot(&server, " ADA@example.com ").await.status, StatusCode::OK);
    let sent = server.next_code().await;
    assert_eq!((sent.to.as_str(), sent.purpose), ("ada@example.com", Purpose::ResetPassword));
    let weak = reset(&server, &ada.email, &sent.code, "password1").await;
    assert_eq!(weak.body["code"], "INVALID_INPUT", "{}", weak.body);
    let reply = reset(&server, &ada.email, &sent.code, NEW).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert!(reply.set_cookie("access_token").is_none(), "it opens no session");
    expect_ended(&mut peer).await;
    assert_eq!(server.get_as("/api/auth/me", &ada.access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login(&ada.email, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login(&ada.email, NEW).await.status, StatusCode::OK);
    let replayed = reset(&server, &ada.email, &sent.code, PASSWORD).await;
    assert_eq!(replayed.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nothing_says_whether_there_is_such_an_account() {
    let server = TestServer::start().await;
    server.member("ada").await;
    server.sign_up("unverified").await;
    server.next_code().await;
    let mut stories: Vec<Vec<(StatusCode, Value)>> = Vec::new();
    for name in ["ada", "nobody", "unverified"] {
        let email = format!("{name}@example.com");
        let mut story = Vec::new();
        let mut tell = |reply: Reply| story.push((reply.status, reply.body));
        tell(reset(&server, &email, "000000", NEW).await);
        tell(forgot(&server, &email).await);
        // Its code came, so what follows finds it waiting; the others' wait as well.
        let code = if name == "ada" { server.next_code().await.code } else { "000000".into() };
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for _ in 0..6 {
            tell(reset(&server, &email, wrong, NEW).await);
        }
        tell(reset(&server, &email, &code, NEW).await);
        stories.push(story);
    }
    assert_eq!(stories[0], stories[1]);
    assert_eq!(stories[0], stories[2]);
    assert_eq!(stories[0][2].1["error"], "Invalid or expired OTP");
    assert_eq!(stories[0][8].0, StatusCode::TOO_MANY_REQUESTS, "after five wrong codes");
}

#[tokio::test]
async fn a_code_is_good_for_its_purpose_only() {
    let server = TestServer::start().await;
    let user = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let sign_up = server.next_code().await;
    assert_eq!(sign_up.purpose, Purpose::Verify);
    forgot(&server, &sign_up.to).await;
    let reply = reset(&server, &sign_up.to, &sign_up.code, NEW).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.verify(&user, &sign_up.code).await.status, StatusCode::OK);
    assert_eq!(server.login(&sign_up.to, PASSWORD).await.status, StatusCode::OK, "unchanged");

    forgot(&server, &sign_up.to).await;
    let code = server.next_code().await.code;
    server.sign_up("bob").await;
    let other = server.next_code().await.code;
    if other != code {
        let reply = reset(&server, &sign_up.to, &other, NEW).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(server.verify(&user, &code).await.error(), "OTP not found or expired");
    assert_eq!(reset(&server, &sign_up.to, &code, NEW).await.status, StatusCode::OK);
}
