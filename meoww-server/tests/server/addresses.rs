//! Changing the address of an account.

use meoww_server::mail::Purpose;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Member, PASSWORD, Reply, TestServer};

async fn request(server: &TestServer, member: &Member, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    server.send_as(Method::POST, "/api/auth/email", &member.access, body).await
}

async fn confirm(server: &TestServer, member: &Member, otp: &str) -> Reply {
    let body = json!({ "otp": otp });
    server.send_as(Method::POST, "/api/auth/email/confirm", &member.access, body).await
}

#[tokio::test]
async fn an_address_changes_by_a_code_to_the_new_one_and_the_old_one_is_told() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let reply = request(&server, &ada, "Countess@Example.com", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    let sent = server.next_code().await;
    assert_eq!((sent.to.as_str(), sent.purpose), ("countess@example.com", Purpose::ChangeEmail));
    let me = server.get_as("/api/auth/me", &ada.access).await;
    assert_eq!(me.body["email"], "ada@example.com", "nothing changed yet");

    let wrong = if sent.code == "000000" { "000001" } else { "000000" };
    assert_eq!(confirm(&server, &ada, wrong).await.error(), "Invalid OTP");
    let reply = confirm(&server, &ada, &sent.code).await;
    assert_eq!((reply.status, &reply.body["email"]), (StatusCode::OK, &json!(sent.to)));
    let notice = server.next_code().await;
    assert_eq!((notice.to.as_str(), notice.purpose), ("ada@example.com", Purpose::EmailChanged));
    assert_eq!(notice.code, "");
    assert_eq!(server.login("ada@example.com", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login(&sent.to, PASSWORD).await.status, StatusCode::OK);
    assert_eq!(confirm(&server, &ada, &sent.code).await.error(), "OTP not found or expired");
    let mut body = crate::harness::signup("bob");
    body["email"] = json!("ada@example.com");
    let reply = server.post("/api/auth/signup", body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "the old address is free");
}

#[tokio::test]
async fn an_address_is_not_changed_to_just_any() {
    let server = TestServer::start().await;
    let (ada, _bob) = (server.member("ada").await, server.member("bob").await);
    let cases = [
        ("new@example.com", "wrong horse", "WRONG_PASSWORD"),
        ("nowhere", PASSWORD, "INVALID_INPUT"),
        ("\"a b\"@example.com", PASSWORD, "INVALID_INPUT"),
        ("ada@[127.0.0.1]", PASSWORD, "INVALID_INPUT"),
        ("ADA@example.com", PASSWORD, "INVALID_INPUT"),
        ("bob@example.com", PASSWORD, "TAKEN"),
    ];
    for (email, password, code) in cases {
        let reply = request(&server, &ada, email, password).await;
        assert_eq!((reply.status, &reply.body["code"]), (StatusCode::BAD_REQUEST, &json!(code)));
    }
    assert_eq!(confirm(&server, &ada, "123456").await.error(), "OTP not found or expired");
}

#[tokio::test]
async fn an_address_taken_in_the_meantime_stays_with_who_took_it() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    request(&server, &ada, "bob@example.com", PASSWORD).await;
    let code = server.next_code().await.code;
    server.member("bob").await;
    let reply = confirm(&server, &ada, &code).await;
    assert_eq!((reply.status, &reply.body["code"]), (StatusCode::BAD_REQUEST, &json!("TAKEN")));
    assert_eq!(server.login("bob@example.com", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(server.login("ada@example.com", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_code_for_another_address_is_not_guessed() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    request(&server, &ada, "countess@example.com", PASSWORD).await;
    let code = server.next_code().await.code;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..meoww_server::core::otp::MAX_TRIES {
        assert_eq!(confirm(&server, &ada, wrong).await.error(), "Invalid OTP");
    }
    let reply = confirm(&server, &ada, &code).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
    assert_eq!(server.get_as("/api/auth/me", &ada.access).await.body["email"], "ada@example.com");
}
