//! The contract with the web front end: each route and outcome of the Node.js backend, word for
//! word. `"*"` stands for any text.

use meoww_server::{
    config::{Limits, Secret, Turn},
    core::limits::Quota,
    mail::Mailer,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{Member, PASSWORD, Reply, TestServer, attributes, signup};

const NOBODY: &str = "0123456789abcdef01234567";

struct Golden {
    /// Method and path.
    request: &'static str,
    cookie: String,
    body: Value,
    status: u16,
    answer: Value,
}

fn golden(request: &'static str, body: Value, status: u16, answer: Value) -> Golden {
    Golden { request, cookie: String::new(), body, status, answer }
}

fn refused(request: &'static str, body: Value, status: u16, error: &str) -> Golden {
    golden(request, body, status, json!({ "error": error }))
}

impl Golden {
    fn with_cookie(self, name: &str, value: &str) -> Self {
        Self { cookie: format!("{name}={value}"), ..self }
    }

    async fn check(&self, server: &TestServer) -> Reply {
        let (method, path) = self.request.split_once(' ').expect("method and path");
        let method: Method = method.parse().expect("a method");
        let mut headers = vec![("cookie", self.cookie.as_str())];
        let mut body = String::new();
        if !self.body.is_null() {
            headers.push(("content-type", "application/json"));
            body = self.body.to_string();
        }
        let reply = server.send(method, path, &headers, body).await;
        let shown = format!("{} {} -> {} {}", self.request, self.body, reply.status, reply.body);
        assert_eq!(reply.status.as_u16(), self.status, "{shown}");
        assert!(matches(&reply.body, &self.answer), "{shown}\nwanted {}", self.answer);
        assert_eq!(reply.headers["content-type"], "application/json", "{shown}");
        reply
    }
}

/// Whether `found` is `wanted`; refusals may carry a `code` that the Node.js backend did not have.
fn matches(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(_), Value::String(any)) if any == "*" => true,
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| matches(f, w))
        }
        (Value::Object(found), Value::Object(wanted)) => {
            let extra = found.keys().filter(|key| !wanted.contains_key(*key));
            let refusal = wanted.contains_key("error");
            extra.into_iter().all(|key| refusal && key == "code")
                && wanted.iter().all(|(key, w)| found.get(key).is_some_and(|f| matches(f, w)))
        }
        _ => found == wanted,
    }
}

fn user(name: &str) -> Value {
    let email = format!("{name}@example.com");
    json!({ "_id": "*", "name": name, "username": name, "email": email, "profileImage": "",
            "isVerified": true, "createdAt": "*" })
}

fn assert_cookies(reply: &Reply, ages: [&str; 2]) {
    for (name, age) in ["access_token", "refresh_token"].into_iter().zip(ages) {
        let attributes = attributes(&reply.set_cookie(name).expect("set"));
        assert_eq!(attributes["max-age"], age, "{name}");
        assert_eq!((&*attributes["samesite"], &*attributes["path"]), ("Strict", "/"));
        assert!(attributes.contains_key("httponly") && !attributes.contains_key("secure"));
    }
}

const FRESH: [&str; 2] = ["900", "604800"];

#[tokio::test]
async fn signing_up_and_confirming() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let reply = golden(
        "POST /api/auth/signup",
        signup("bea"),
        201,
        json!({ "message": "Signup successful. Please verify your email.", "userId": "*" }),
    );
    let bea = reply.check(&server).await.body["userId"].as_str().expect("an id").to_owned();
    let code = server.next_code().await.code;
    let wrong = if code == "111111" { "222222" } else { "111111" };
    let (verify, resend) = ("POST /api/auth/verify", "POST /api/auth/resend-otp");
    let taken = "Email or Username already exists";
    for case in [
        refused("POST /api/auth/signup", signup("ada"), 400, taken),
        refused("POST /api/auth/signup", signup("bea"), 400, taken),
        refused(verify, json!({}), 400, "userId and otp are required"),
        refused(verify, json!({ "userId": bea }), 400, "userId and otp are required"),
        refused(verify, json!({ "userId": "5", "otp": code }), 400, "Invalid userId format"),
        refused(verify, json!({ "userId": NOBODY, "otp": code }), 400, "OTP not found or expired"),
        refused(verify, json!({ "userId": bea, "otp": wrong }), 400, "Invalid OTP"),
        refused(resend, json!({}), 400, "userId is required"),
        refused(resend, json!({ "userId": "5" }), 400, "Invalid userId format"),
        refused(resend, json!({ "userId": NOBODY }), 400, "User not found"),
        refused(resend, json!({ "userId": ada.id }), 400, "User is already verified"),
    ] {
        case.check(&server).await;
    }
    let message = json!({ "message": "OTP resent successfully. Please check your email." });
    golden(resend, json!({ "userId": bea }), 200, message).check(&server).await;
    let code = server.next_code().await.code;
    let good = json!({ "userId": bea, "otp": code });
    let reply = golden(verify, good.clone(), 200, json!({ "user": user("bea") }));
    assert_cookies(&reply.check(&server).await, FRESH);
    refused(verify, good, 400, "OTP not found or expired").check(&server).await;
}

#[tokio::test]
async fn a_sign_up_whose_mail_fails_is_taken_back() {
    // Nobody is at the other end.
    let (outbox, _) = mpsc::channel(1);
    let (_, mail) = mpsc::channel(1);
    let server = TestServer::with_mailer(|_| {}, Mailer::Memory(outbox), mail).await;
    let failed = "Failed to send verification email. Please try again.";
    for _ in 0..2 {
        refused("POST /api/auth/signup", signup("ada"), 400, failed).check(&server).await;
    }
}

#[tokio::test]
async fn logging_in_and_out() {
    let server = TestServer::start().await;
    server.member("ada").await;
    let waiting = server.sign_up("bea").await.body["userId"].clone();
    let credentials = |name: &str, password: &str| json!({ "email": format!("{name}@example.com"), "password": password });
    let login = "POST /api/auth/login";
    let unverified = json!({ "error": "Email not verified", "code": "EMAIL_NOT_VERIFIED",
                             "userId": waiting });
    for case in [
        refused(login, credentials("ada", "wrong horse"), 401, "Invalid credentials"),
        refused(login, credentials("bea", "wrong horse"), 401, "Invalid credentials"),
        refused(login, credentials("nobody", PASSWORD), 401, "Invalid credentials"),
        refused(login, json!({}), 401, "Invalid credentials"),
        golden(login, credentials("bea", PASSWORD), 403, unverified),
    ] {
        case.check(&server).await;
    }
    let reply = golden(login, credentials("ada", PASSWORD), 200, json!({ "user": user("ada") }));
    let reply = reply.check(&server).await;
    assert_cookies(&reply, FRESH);

    let (refresh, expired) = ("POST /api/auth/refresh", "Session expired. Please login again.");
    refused(refresh, Value::Null, 401, expired).check(&server).await;
    refused(refresh, Value::Null, 401, expired)
        .with_cookie("refresh_token", "forged")
        .check(&server)
        .await;
    let refreshed = golden(refresh, Value::Null, 200, json!({ "message": "Token refreshed" }));
    let refreshed = refreshed.with_cookie("refresh_token", &reply.cookie("refresh_token"));
    let reply = refreshed.check(&server).await;
    assert_cookies(&reply, FRESH);

    for token in [&reply.cookie("refresh_token"), "", "forged"] {
        let message = json!({ "message": "Logged out successfully" });
        let logout = golden("POST /api/auth/logout", Value::Null, 200, message);
        let gone = logout.with_cookie("refresh_token", token).check(&server).await;
        assert_cookies(&gone, ["0", "0"]);
    }
    refused(refresh, Value::Null, 401, expired)
        .with_cookie("refresh_token", &reply.cookie("refresh_token"))
        .check(&server)
        .await;
}

#[tokio::test]
async fn what_takes_a_session() {
    let server = TestServer::with(|config| {
        config.limits = Limits::OFF;
        let secret = Secret::new("north".into());
        config.turn = Some(Turn { url: "turn:relay.example:3478".into(), secret });
    })
    .await;
    let Member { access, .. } = server.member("ada").await;
    let servers = json!({ "iceServers": [
        { "urls": "stun:stun.l.google.com:19302" },
        { "urls": "turn:relay.example:3478", "username": "*", "credential": "*" },
    ]});
    let routes = [("GET /api/auth/me", user("ada")), ("GET /api/auth/turn-credentials", servers)];
    for (request, answer) in routes {
        golden(request, Value::Null, 200, answer)
            .with_cookie("access_token", &access)
            .check(&server)
            .await;
        refused(request, Value::Null, 401, "Access denied. No token provided.")
            .check(&server)
            .await;
        refused(request, Value::Null, 401, "Invalid token")
            .with_cookie("access_token", "forged")
            .check(&server)
            .await;
    }
}

#[tokio::test]
async fn what_takes_nothing() {
    let server = TestServer::start().await;
    golden("GET /health", Value::Null, 200, json!({ "status": "ok" })).check(&server).await;
    refused("GET /api/auth/nothing", Value::Null, 404, "Not found").check(&server).await;
    refused("PATCH /health", Value::Null, 405, "Method not allowed").check(&server).await;
}

#[tokio::test]
async fn too_much_is_refused_in_the_same_words() {
    let once = Some(Quota { requests: 1, window: std::time::Duration::from_secs(60) });
    let server = TestServer::with(|config| {
        config.limits = Limits { login: once, resend: once, turn: once, ..Limits::OFF };
    })
    .await;
    let ada = server.member("ada").await;
    for (request, error) in [
        ("POST /api/auth/login", "Too many attempts, please try again in 15 minutes."),
        (
            "POST /api/auth/resend-otp",
            "Too many OTP requests, please wait before requesting again.",
        ),
        ("GET /api/auth/turn-credentials", "Too many TURN credential requests."),
    ] {
        let (method, path) = request.split_once(' ').expect("method and path");
        let bearer = format!("Bearer {}", ada.access);
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        let method: Method = method.parse().expect("a method");
        let first = server.send(method, path, &headers, "{}").await;
        assert_ne!(first.status, StatusCode::TOO_MANY_REQUESTS, "{request}");
        let body = if request.starts_with("GET") { Value::Null } else { json!({}) };
        let second = refused(request, body, 429, error).with_cookie("access_token", &ada.access);
        let second = second.check(&server).await;
        assert_eq!(second.body["code"], "RATE_LIMITED");
        for (name, value) in [("policy", "1;w=60"), ("limit", "1"), ("remaining", "0")] {
            assert_eq!(second.headers[&format!("ratelimit-{name}")], value, "{request}");
        }
        assert!(second.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn too_many_sign_ups_are_refused_before_they_are_read() {
    let server = TestServer::with(|config| {
        let window = std::time::Duration::from_secs(60);
        config.limits.signup = Some(Quota { requests: 1, window });
    })
    .await;
    server.sign_up("ada").await;
    let error = "Too many signup attempts, please try again later.";
    refused("POST /api/auth/signup", json!("anything"), 429, error).check(&server).await;
}

#[tokio::test]
async fn every_answer_has_the_headers_of_helmet() {
    let server = TestServer::start().await;
    let origin = [("origin", "http://localhost:5173")];
    let answers = [
        server.send(Method::GET, "/health", &origin, "").await,
        server.send(Method::GET, "/nothing", &origin, "").await,
        server.send(Method::OPTIONS, "/api/auth/login", &origin, "").await,
        server.post("/api/auth/login", json!([])).await,
    ];
    let policy = "default-src 'self';base-uri 'self';font-src 'self' https: data:;\
                  form-action 'self';frame-ancestors 'self';img-src 'self' data:;\
                  object-src 'none';script-src 'self';script-src-attr 'none';\
                  style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests";
    let wanted = [
        ("content-security-policy", policy),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("origin-agent-cluster", "?1"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-dns-prefetch-control", "off"),
        ("x-download-options", "noopen"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-permitted-cross-domain-policies", "none"),
        ("x-xss-protection", "0"),
    ];
    for answer in answers {
        for (name, value) in wanted {
            assert_eq!(answer.headers[name], value, "{}", answer.status);
        }
        assert!(!answer.headers.contains_key("x-powered-by"));
    }
}

#[tokio::test]
async fn pages_of_each_configured_origin_may_call_with_cookies() {
    let pages = ["https://meoww.example", "http://localhost:3000"];
    let server = TestServer::with(|config| {
        config.frontend_origins = pages.map(String::from).to_vec();
    })
    .await;
    for page in pages {
        let headers = [
            ("origin", page),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,authorization,cookie"),
        ];
        let reply = server.send(Method::OPTIONS, "/api/auth/login", &headers, "").await;
        assert_eq!((reply.status, reply.bytes.len()), (StatusCode::NO_CONTENT, 0));
        for (name, value) in [
            ("access-control-allow-origin", page),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET,POST,PUT,DELETE,OPTIONS"),
            ("access-control-allow-headers", "content-type,authorization,cookie"),
        ] {
            assert_eq!(reply.headers[name], value);
        }
        let reply = server.send(Method::GET, "/health", &headers[..1], "").await;
        assert_eq!(reply.headers["access-control-allow-origin"], page);
        let vary = reply.headers["vary"].to_str().expect("text");
        assert!(vary.to_ascii_lowercase().contains("origin"), "{vary}");
    }
    let foreign = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let reply = server.send(Method::OPTIONS, "/api/auth/login", &foreign, "").await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}
