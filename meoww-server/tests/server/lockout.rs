//! Nobody locks anybody else out: guesses of strangers do not count against devices and networks that
//! have nothing to do with them.

use std::time::Duration;

use meoww_server::{
    config::Limits,
    core::{limits::Quota, otp},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Reply, TestServer, attributes};

const EVE: &str = "192.0.2.1";
const HOME: &str = "198.51.100.1";
const NEW: &str = "purple monkey dishwasher";

fn quota(requests: u32) -> Option<Quota> {
    Some(Quota { requests, window: Duration::from_secs(3600) })
}

async fn limited(limits: Limits) -> TestServer {
    TestServer::with(|config| {
        config.limits = limits;
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await
}

/// A request from an address, perhaps with a device's cookie.
async fn post(server: &TestServer, from: (&str, &str), path: &str, body: Value) -> Reply {
    let (client, device) = from;
    let cookie = format!("x=y; device_token={device}");
    let headers =
        [("content-type", "application/json"), ("x-forwarded-for", client), ("cookie", &cookie)];
    server.send(Method::POST, &format!("/api/auth{path}"), &headers, body.to_string()).await
}

async fn login(server: &TestServer, from: (&str, &str), password: &str) -> Reply {
    let body = json!({ "email": "ada@example.com", "password": password });
    post(server, from, "/login", body).await
}

async fn forgot(server: &TestServer, from: (&str, &str)) -> StatusCode {
    let body = json!({ "email": "ada@example.com" });
    post(server, from, "/password/forgot", body).await.status
}

async fn reset(server: &TestServer, from: (&str, &str), otp: &str) -> Reply {
    let body = json!({ "email": "ada@example.com", "otp": otp, "newPassword": NEW });
    post(server, from, "/password/reset", body).await
}

/// The cookie of the device that signed up.
async fn device_of(server: &TestServer, name: &str) -> String {
    let user = server.sign_up(name).await.body["userId"].as_str().expect("an id").to_owned();
    let code = server.next_code().await.code;
    server.verify(&user, &code).await.cookie("device_token")
}

fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[tokio::test]
async fn guesses_from_one_network_lock_out_no_other() {
    let server = limited(Limits { account_login: quota(2), ..Limits::OFF }).await;
    server.member("ada").await;
    for expected in [401, 401, 429, 429] {
        assert_eq!(login(&server, (EVE, ""), "wrong horse").await.status, expected);
    }
    assert_eq!(login(&server, (EVE, ""), PASSWORD).await.status, 429);
    assert_eq!(login(&server, (HOME, ""), PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_known_device_logs_in_while_the_account_is_guessed_at_from_everywhere() {
    let server =
        limited(Limits { account_login: quota(2), account_login_total: quota(3), ..Limits::OFF })
            .await;
    let device = device_of(&server, "ada").await;
    let foreign = device_of(&server, "eve").await;
    for n in 0..3 {
        let client = format!("192.0.2.{n}");
        assert_eq!(login(&server, (&client, &foreign), "wrong horse").await.status, 401);
    }
    let locked = login(&server, (HOME, ""), PASSWORD).await;
    assert_eq!(locked.status, 429);
    assert!(locked.headers.contains_key("retry-after"));
    assert_eq!(login(&server, (HOME, &foreign), PASSWORD).await.status, 429);
    let reply = login(&server, (HOME, &device), PASSWORD).await;
    assert_eq!(reply.status, 200, "{}", reply.body);

    let attributes = attributes(&reply.set_cookie("device_token").expect("it is set again"));
    assert!(attributes.contains_key("httponly"));
    assert_eq!((&*attributes["samesite"], &*attributes["path"]), ("Strict", "/api/auth"));
    assert_eq!(attributes["max-age"], (400 * 24 * 3600).to_string());

    // It has a share of guesses of its own, and no more.
    for expected in [401, 401, 429] {
        assert_eq!(login(&server, (HOME, &device), "wrong horse").await.status, expected);
    }
    let other = reply.cookie("device_token");
    assert_eq!(login(&server, (HOME, &other), PASSWORD).await.status, 200, "another device");
}

#[tokio::test]
async fn a_reset_is_the_way_back_in_and_makes_devices_of_before_strangers() {
    let server = limited(Limits { account_login_total: quota(1), ..Limits::OFF }).await;
    let device = device_of(&server, "ada").await;
    assert_eq!(login(&server, (EVE, ""), "wrong horse").await.status, 401);
    assert_eq!(login(&server, (HOME, ""), PASSWORD).await.status, 429);
    assert_eq!(forgot(&server, (HOME, "")).await, 200);
    let reply = reset(&server, (HOME, ""), &server.next_code().await.code).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(login(&server, (HOME, &device), NEW).await.status, 429, "the password was another");
    let known = reply.cookie("device_token");
    assert_eq!(login(&server, (HOME, &known), NEW).await.status, 200);
}

#[tokio::test]
async fn a_neighbour_in_the_network_locks_out_no_known_device_and_no_session() {
    let limits = Limits { login: quota(1), resend: quota(1), verify: quota(1), ..Limits::OFF };
    let server = limited(limits).await;
    let user = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let code = server.next_code().await.code;
    let ada = server.verify(&user, &code).await;
    let (access, device) = (ada.cookie("access_token"), ada.cookie("device_token"));
    assert_eq!(login(&server, (HOME, ""), "wrong horse").await.status, 401);
    assert_eq!(login(&server, (HOME, ""), PASSWORD).await.status, 429);
    assert_eq!(login(&server, (HOME, &device), PASSWORD).await.status, 200);
    assert_eq!(forgot(&server, (HOME, "")).await, 200);
    assert_eq!(forgot(&server, (HOME, "")).await, 429);
    let code = server.next_code().await.code;
    assert_eq!(reset(&server, (HOME, ""), other_than(&code)).await.status, 400);
    assert_eq!(reset(&server, (HOME, ""), &code).await.status, 429);
    assert_eq!(reset(&server, (HOME, "forged"), &code).await.status, 429);

    let bearer = format!("Bearer {access}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-forwarded-for", HOME),
    ];
    let body = json!({ "email": "new@example.com", "password": PASSWORD }).to_string();
    let reply = server.send(Method::POST, "/api/auth/email", &headers, body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let sent = server.next_code().await;
    let body = json!({ "otp": sent.code }).to_string();
    let reply = server.send(Method::POST, "/api/auth/email/confirm", &headers, body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = json!({ "password": PASSWORD }).to_string();
    let reply = server.send(Method::DELETE, "/api/auth/me", &headers, body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn a_session_guesses_the_password_as_little_as_a_stranger_and_locks_out_nobody() {
    let server = limited(Limits { account_login: quota(2), ..Limits::OFF }).await;
    let ada = server.member("ada").await;
    for status in [400, 400, 429] {
        let body = json!({ "password": "wrong horse" });
        let reply = server.send_as(Method::DELETE, "/api/auth/me", &ada.access, body).await;
        assert_eq!(reply.status, status);
    }
    assert_eq!(login(&server, (HOME, ""), PASSWORD).await.status, 200);
}

#[tokio::test]
async fn asking_for_a_code_again_voids_none_that_has_tries_left() {
    let server = limited(Limits::OFF).await;
    let device = device_of(&server, "ada").await;
    assert_eq!(forgot(&server, (HOME, "")).await, 200);
    let first = server.next_code().await.code;
    for from in [(EVE, ""), (EVE, "forged"), (HOME, &device)] {
        assert_eq!(forgot(&server, from).await, 200);
        assert_eq!(server.next_code().await.code, first);
    }
    // Eve uses up what one network may try, and hers alone.
    for _ in 0..otp::MAX_TRIES {
        assert_eq!(reset(&server, (EVE, ""), other_than(&first)).await.status, 400);
    }
    let reply = reset(&server, (EVE, ""), &first).await;
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("RATE_LIMITED"))
    );
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(forgot(&server, (EVE, "")).await, 200);
    assert_eq!(server.next_code().await.code, first, "it still has tries left");
    assert_eq!(reset(&server, (HOME, ""), &first).await.status, 200);
}

#[tokio::test]
async fn a_code_that_networks_spoilt_is_good_on_a_known_device() {
    let server = limited(Limits::OFF).await;
    let device = device_of(&server, "ada").await;
    assert_eq!(forgot(&server, (HOME, "")).await, 200);
    let code = server.next_code().await.code;
    for n in 0..otp::MAX_TRIES_OF_ANYONE {
        let client = format!("192.0.2.{n}");
        assert_eq!(reset(&server, (&client, ""), other_than(&code)).await.status, 400);
    }
    assert_eq!(reset(&server, (HOME, ""), &code).await.status, 400, "guessed at too often");
    assert_eq!(reset(&server, (HOME, &device), &code).await.status, 200);
}

#[tokio::test]
async fn strangers_use_up_no_codes_of_known_devices_and_sign_ups() {
    let server = limited(Limits { account_code: quota(2), ..Limits::OFF }).await;
    let device = device_of(&server, "ada").await;
    for status in [200, 200, 429] {
        assert_eq!(forgot(&server, (EVE, "")).await, status);
    }
    assert_eq!(forgot(&server, (HOME, "")).await, 429);
    assert_eq!(forgot(&server, (HOME, &device)).await, 200);
    let body = json!({ "email": "bob@example.com" });
    for _ in 0..3 {
        post(&server, (EVE, ""), "/password/forgot", body.clone()).await;
    }
    assert_eq!(server.sign_up("bob").await.status, StatusCode::CREATED);
}
