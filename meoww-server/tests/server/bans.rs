//! Who may not come in: the banned and the unverified.

use meoww_proto::UserId;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::{
    harness::{PASSWORD, Reply, TestServer},
    records::Records,
};

/// What an operator does to an account.
fn ban(records: &mut Records, user: UserId, ban: &Value) {
    let accounts = records.get_mut("accounts").expect("a table");
    let account = accounts.get_mut(user.as_bytes().as_slice()).expect("an account");
    let mut record: Value = serde_json::from_slice(account).expect("JSON");
    record["value"]["ban"] = ban.clone();
    *account = record.to_string().into_bytes();
}

fn assert_banned(reply: &Reply, words: &str) {
    assert_eq!((reply.status, reply.error()), (StatusCode::FORBIDDEN, words));
    assert_eq!(reply.body["code"], "BANNED");
    assert!(reply.set_cookie("access_token").is_none());
}

#[tokio::test]
async fn the_banned_are_told_until_when_wherever_they_come() {
    // 2100-01-01; milliseconds of the Unix epoch.
    let until = json!({ "reason": "rude", "until": 4_102_444_800_000_i64 });
    let forever = json!({ "reason": "rude" });
    for (sentence, words) in [
        (until, "Account banned until 2100-01-01T00:00:00.000Z: rude"),
        (forever, "Account banned: rude"),
    ] {
        let server = TestServer::start().await;
        let ada = server.member("ada").await;
        let server = server.restarted(|records| ban(records, ada.id, &sentence)).await;
        assert_banned(&server.login(&ada.email, PASSWORD).await, words);
        let guess = server.login(&ada.email, "wrong horse").await;
        assert_eq!(guess.status, StatusCode::UNAUTHORIZED, "only the owner is told");
        let cookie = format!("refresh_token={}", ada.refresh);
        assert_banned(&server.post_with_cookie("/api/auth/refresh", &cookie).await, words);
        assert_banned(&server.get_as("/api/auth/me", &ada.access).await, words);
        let bearer = format!("Bearer {}", ada.access);
        match server.open("", &[("authorization", &bearer)]).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
            other => panic!("{:?}", other.err()),
        }
        let web = "/socket.io/?EIO=4&transport=websocket";
        let mut web = server.open_at(web, &[("authorization", &bearer)]).await.expect("open");
        web.send_text("40").await;
        let told = [web.next_raw().await, web.next_raw().await];
        let told = format!("{told:?}");
        assert!(told.contains("Account banned") && !told.contains("40{"), "{told}");
        let reply = server.post_with_cookie("/api/auth/logout", &cookie).await;
        assert_eq!(reply.status, StatusCode::OK, "who is banned may still leave");
    }
}

/// A token that was replaced a moment ago yields its successor, but not to the banned.
#[tokio::test]
async fn a_repeated_refresh_lets_nobody_in_who_is_banned() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let cookie = format!("refresh_token={}", ada.refresh);
    let replaced = server.post_with_cookie("/api/auth/refresh", &cookie).await;
    assert_eq!(replaced.status, StatusCode::OK);
    let server =
        server.restarted(|records| ban(records, ada.id, &json!({ "reason": "rude" }))).await;
    let reply = server.post_with_cookie("/api/auth/refresh", &cookie).await;
    assert_banned(&reply, "Account banned: rude");
}

#[tokio::test]
async fn the_right_code_lets_nobody_in_who_is_banned() {
    let server = TestServer::start().await;
    let user = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let code = server.next_code().await.code;
    let sentence = json!({ "reason": "rude" });
    let server =
        server.restarted(|records| ban(records, user.parse().expect("an id"), &sentence)).await;
    assert_banned(&server.verify(&user, &code).await, "Account banned: rude");
}

#[tokio::test]
async fn a_ban_that_is_over_is_over() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let sentence = json!({ "reason": "rude", "until": 1_000 });
    let server = server.restarted(|records| ban(records, ada.id, &sentence)).await;
    assert_eq!(server.get_as("/api/auth/me", &ada.access).await.status, StatusCode::OK);
    assert_eq!(server.login(&ada.email, PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_gets_a_socket_before_the_address_is_verified() {
    let server = TestServer::start().await;
    let reply = server.sign_up("ada").await;
    assert!(
        reply.set_cookie("access_token").is_none() && reply.set_cookie("refresh_token").is_none()
    );
    let reply = server.login("ada@example.com", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(
        reply.set_cookie("access_token").is_none() && reply.set_cookie("refresh_token").is_none()
    );
    let body = json!({ "email": "ada@example.com" });
    server.post("/api/auth/password/forgot", body).await;
    server.next_code().await;
    match server.open("", &[]).await {
        Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 401),
        other => panic!("{:?}", other.err()),
    }
}
