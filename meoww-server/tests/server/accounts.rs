//! Signing up, confirming the address, looking at oneself.

use meoww_server::{
    config::{Limits, Secret, Turn},
    core::limits::Quota,
    mail::Mailer,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{PASSWORD, TestServer, attributes, signup};

#[tokio::test]
async fn a_sign_up_is_answered_as_the_node_backend_did() {
    let server = TestServer::start().await;
    let reply = server.sign_up("ada").await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(reply.body["message"], "Signup successful. Please verify your email.");
    let sent = server.next_code().await;
    assert_eq!(sent.to, "ada@example.com");
    let user = reply.body["userId"].as_str().expect("an id");

    let reply = server.verify(user, &sent.code).await;
    assert_eq!(reply.status, StatusCode::OK);
    let user = &reply.body["user"];
    for (field, value) in
        [("name", "ada"), ("username", "ada"), ("email", "ada@example.com"), ("profileImage", "")]
    {
        assert_eq!(user[field], value, "{field}");
    }
    assert_eq!(user["isVerified"], true);
    assert!(user["createdAt"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')));
    assert!(!reply.body.to_string().to_lowercase().contains("hash"));
    for (name, age) in [("access_token", "900"), ("refresh_token", "604800")] {
        let attributes = attributes(&reply.set_cookie(name).expect("set"));
        assert_eq!(attributes["max-age"], age);
        assert_eq!(attributes["samesite"], "Strict");
        assert_eq!(attributes["path"], "/");
        assert!(attributes.contains_key("httponly") && !attributes.contains_key("secure"));
    }
    let me = server.get_as("/api/auth/me", &reply.cookie("access_token")).await;
    assert_eq!((me.status, &me.body), (StatusCode::OK, user));
    let cookie = format!("access_token={}", reply.cookie("access_token"));
    let me = server.send(Method::GET, "/api/auth/me", &[("cookie", &cookie)], "").await;
    assert_eq!((me.status, &me.body), (StatusCode::OK, user));
}

#[tokio::test]
async fn cookies_are_secure_in_production() {
    let server = TestServer::with(|config| config.secure_cookies = true).await;
    let user = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let reply = server.verify(&user, &server.next_code().await.code).await;
    let line = reply.set_cookie("refresh_token").expect("set");
    assert!(attributes(&line).contains_key("secure"));
}

#[tokio::test]
async fn a_form_is_as_good_as_json() {
    let server = TestServer::start().await;
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let body = "name=Ada+L.&username=Ada&email=Ada%40Example.com&password=correct%20horse";
    let reply = server.send(Method::POST, "/api/auth/signup", &form, body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    assert_eq!(server.next_code().await.to, "ada@example.com");
}

#[tokio::test]
async fn bad_bodies_are_refused_in_words() {
    let server = TestServer::start().await;
    let json = "application/json";
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    let deep = "[".repeat(50_000);
    let cases = [
        (json, "", StatusCode::BAD_REQUEST),
        (json, "{", StatusCode::BAD_REQUEST),
        (json, "[]", StatusCode::BAD_REQUEST),
        (json, "{\"name\":5}", StatusCode::BAD_REQUEST),
        (json, "{\"email\":{\"$gt\":\"\"}}", StatusCode::BAD_REQUEST),
        (json, "\u{0}\u{1}", StatusCode::BAD_REQUEST),
        (json, &deep, StatusCode::BAD_REQUEST),
        (json, &huge, StatusCode::PAYLOAD_TOO_LARGE),
        ("text/plain", "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/x-www-form-urlencoded", "%ff=%", StatusCode::BAD_REQUEST),
    ];
    for path in ["signup", "login", "verify", "resend-otp"] {
        for (kind, body, status) in cases {
            let path = format!("/api/auth/{path}");
            let headers = [("content-type", kind)];
            let reply = server.send(Method::POST, &path, &headers, body.to_owned()).await;
            let shown = body.chars().take(30).collect::<String>();
            // A login with nothing in it is a wrong login.
            if !(path.ends_with("login") && reply.status == StatusCode::UNAUTHORIZED) {
                assert_eq!(reply.status, status, "{path} {shown}");
            }
            assert!(!reply.error().is_empty(), "{path} {shown}");
        }
    }
}

#[tokio::test]
async fn fields_are_checked() {
    let server = TestServer::start().await;
    let long = "x".repeat(129);
    let cases = [
        ("name", " "),
        ("name", "a\u{1b}[31m"),
        ("username", "a b"),
        ("username", "ab"),
        ("email", "nobody"),
        ("email", "x@[127.0.0.1]"),
        ("email", "a@b\r\nBcc: everybody@example.com"),
        ("password", "short"),
        ("password", &long),
    ];
    for (field, value) in cases {
        let mut body = signup("ada");
        body[field] = json!(value);
        let reply = server.post("/api/auth/signup", body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{field}={value}");
        assert!(!reply.error().is_empty());
    }
    let mut body = signup("ada");
    body.as_object_mut().expect("an object").remove("password");
    let reply = server.post("/api/auth/signup", body).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_name_or_address_belongs_to_one() {
    let server = TestServer::start().await;
    server.member("ada").await;
    for (field, value) in [("email", "ADA@example.com"), ("username", "ADA")] {
        let mut body = signup("eve");
        body[field] = json!(value);
        let reply = server.post("/api/auth/signup", body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(reply.error(), "Email or Username already exists");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_sign_ups_at_once_one_succeeds() {
    let server = TestServer::start().await;
    for field in ["username", "email"] {
        let bodies = (0..20).map(|n| {
            let mut body = signup(&format!("{field}{n}"));
            let contested = if field == "email" { "same@example.com" } else { "same" };
            body[field] = json!(contested);
            body
        });
        let replies = futures_util::future::join_all(
            bodies.map(|body| server.post("/api/auth/signup", body)),
        )
        .await;
        let count = |status| replies.iter().filter(|reply| reply.status == status).count();
        assert_eq!(count(StatusCode::CREATED), 1, "{field}");
        assert_eq!(count(StatusCode::BAD_REQUEST), 19, "{field}");
    }
}

#[tokio::test]
async fn a_mail_that_fails_takes_the_sign_up_back() {
    let (outbox, mail) = mpsc::channel(1);
    let adjust = |config: &mut meoww_server::config::Config| config.limits = Limits::OFF;
    let server = TestServer::with_mailer(adjust, Mailer::Memory(outbox), mail).await;
    assert_eq!(server.sign_up("ada").await.status, StatusCode::CREATED);
    // The box is full now.
    let reply = server.sign_up("bob").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.error(), "Failed to send verification email. Please try again.");
    let unknown = server.login("bob@example.com", PASSWORD).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    server.next_code().await;
    assert_eq!(server.sign_up("bob").await.status, StatusCode::CREATED);
}

fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[tokio::test]
async fn a_code_is_good_once() {
    let server = TestServer::start().await;
    let user = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let code = server.next_code().await.code;
    let reply = server.verify(&user, wrong(&code)).await;
    assert_eq!((reply.status, reply.error()), (StatusCode::BAD_REQUEST, "Invalid OTP"));
    assert_eq!(server.verify(&user, "what?").await.error(), "Invalid OTP");
    assert_eq!(server.verify(&user, &code).await.status, StatusCode::OK);
    assert_eq!(server.verify(&user, &code).await.error(), "OTP not found or expired");
    let nobody = "0".repeat(24);
    assert_eq!(server.verify(&nobody, &code).await.error(), "OTP not found or expired");
    assert_eq!(server.verify("ada", &code).await.error(), "Invalid userId format");
    assert_eq!(server.verify("", &code).await.error(), "userId and otp are required");
    let reply = server.post("/api/auth/verify", json!({})).await;
    assert_eq!(reply.error(), "userId and otp are required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_tries_are_counted_however_they_come() {
    let server = TestServer::start().await;
    let user = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let code = server.next_code().await.code;
    let tries = (0..20).map(|_| server.verify(&user, wrong(&code)));
    let replies = futures_util::future::join_all(tries).await;
    let count = |text| replies.iter().filter(|reply| reply.error() == text).count();
    let spent = "Too many wrong codes. Request a new one.";
    assert_eq!((count("Invalid OTP"), count(spent)), (5, 15));
    assert_eq!(server.verify(&user, &code).await.error(), spent);

    let reply = server.post("/api/auth/resend-otp", json!({ "userId": user })).await;
    assert_eq!(reply.body["message"], "OTP resent successfully. Please check your email.");
    let fresh = server.next_code().await.code;
    assert_eq!(server.verify(&user, &fresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_code_voids_the_old_one() {
    let server = TestServer::start().await;
    let user = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let old = server.next_code().await.code;
    let resend = |user: Value| server.post("/api/auth/resend-otp", json!({ "userId": user }));
    assert_eq!(resend(json!(user)).await.status, StatusCode::OK);
    let new = server.next_code().await.code;
    if old != new {
        assert_eq!(server.verify(&user, &old).await.error(), "Invalid OTP");
    }
    assert_eq!(server.verify(&user, &new).await.status, StatusCode::OK);
    assert_eq!(resend(json!(user)).await.error(), "User is already verified");
    assert_eq!(resend(json!("0".repeat(24))).await.error(), "User not found");
    assert_eq!(resend(json!("x")).await.error(), "Invalid userId format");
    assert_eq!(resend(json!("")).await.error(), "userId is required");
}

#[tokio::test]
async fn limits_speak_the_words_of_the_node_backend() {
    let server = TestServer::with(|config| {
        let quota = Some(Quota { requests: 2, window: std::time::Duration::from_secs(3600) });
        config.limits = Limits {
            signup: quota,
            login: quota,
            resend: quota,
            turn: quota,
            verify: quota,
            ..Limits::OFF
        };
    })
    .await;
    let ada = server.member("ada").await;
    server.sign_up("x").await;
    let cases = [
        ("signup", "Too many signup attempts, please try again later."),
        ("login", "Too many attempts, please try again in 15 minutes."),
        ("verify", "Too many attempts, please try again in 15 minutes."),
        ("resend-otp", "Too many OTP requests, please wait before requesting again."),
    ];
    for (path, words) in cases {
        let path = format!("/api/auth/{path}");
        // What makes no sense counts too.
        server.post(&path, json!([])).await;
        server.post(&path, json!([])).await;
        let reply = server.post(&path, json!({})).await;
        assert_eq!((reply.status, reply.error()), (StatusCode::TOO_MANY_REQUESTS, words));
        let wait = reply.headers["retry-after"].to_str().expect("text").parse::<u64>();
        assert!((1..=3600).contains(&wait.expect("seconds")));
    }
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let reply = server.get_as("/api/auth/turn-credentials", &ada.access).await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn turn_credentials_name_the_relay_if_there_is_one() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let reply = server.get_as("/api/auth/turn-credentials", &ada.access).await;
    let stun = json!({ "iceServers": [{ "urls": "stun:stun.l.google.com:19302" }] });
    assert_eq!((reply.status, reply.body), (StatusCode::OK, stun));

    let server = TestServer::with(|config| {
        let secret = Secret::new("north".into());
        config.turn = Some(Turn { url: "turn:relay.example:3478".into(), secret });
        config.stun_url = None;
    })
    .await;
    let ada = server.member("ada").await;
    let reply = server.get_as("/api/auth/turn-credentials", &ada.access).await;
    let relay = &reply.body["iceServers"][0];
    assert_eq!(relay["urls"], "turn:relay.example:3478");
    let username = relay["username"].as_str().expect("a username");
    assert!(username.ends_with(&format!(":{}", ada.id)), "{username}");
    assert_eq!(relay["credential"].as_str().map(str::len), Some(28));
    let anonymous = server.send(Method::GET, "/api/auth/turn-credentials", &[], "").await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_json() {
    let server = TestServer::start().await;
    let health = server.send(Method::GET, "/health", &[], "").await;
    assert_eq!((health.status, health.body), (StatusCode::OK, json!({ "status": "ok" })));
    for path in ["/", "/api/auth", "/api/auth/nothing", "/api/auth/login//"] {
        let reply = server.send(Method::GET, path, &[], "").await;
        assert_eq!((reply.status, reply.error()), (StatusCode::NOT_FOUND, "Not found"), "{path}");
    }
    // RFC 9110, 15.5.6: such an answer names the methods there are.
    for (method, path, allowed) in [
        (Method::GET, "/api/auth/login", "POST"),
        (Method::POST, "/api/auth/me", "DELETE,GET,HEAD"),
        (Method::PUT, "/health", "GET,HEAD"),
        (Method::POST, "/photos/x.jpg", "GET,HEAD"),
        (Method::POST, "/ws", "GET,HEAD"),
        (Method::POST, "/api-docs/openapi.json", "GET,HEAD"),
        (Method::PUT, "/socket.io/?EIO=4&transport=polling", "GET,HEAD,POST"),
    ] {
        let reply = server.send(method, path, &[], "").await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(reply.error(), "Method not allowed", "{path}");
        let allow = reply.headers.get("allow").map(|value| value.to_str().expect("text"));
        assert_eq!(allow, Some(allowed), "{path}");
    }
}

#[tokio::test]
async fn pages_of_the_frontend_may_call_with_cookies() {
    let server = TestServer::start().await;
    let preflight = [
        ("origin", "http://localhost:5173"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let reply = server.send(Method::OPTIONS, "/api/auth/login", &preflight, "").await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(reply.headers["access-control-allow-origin"], "http://localhost:5173");
    assert_eq!(reply.headers["access-control-allow-credentials"], "true");
    let foreign = [("origin", "https://evil.example")];
    let reply = server.send(Method::GET, "/health", &foreign, "").await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}
