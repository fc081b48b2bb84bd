//! Rate limits: whom they count, what they say, and what they do not give away.

use std::time::Duration;

use meoww_server::{
    config::{Config, Limits},
    core::limits::Quota,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Reply, TestServer, signup};

const HOUR: Duration = Duration::from_secs(3600);
const ATTEMPTS: &str = "Too many attempts, please try again in 15 minutes.";
const CODES: &str = "Too many OTP requests, please wait before requesting again.";

fn quota(requests: u32) -> Option<Quota> {
    Some(Quota { requests, window: HOUR })
}

async fn limited(limits: Limits) -> TestServer {
    TestServer::with(|config: &mut Config| {
        config.limits = limits;
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await
}

/// A request that a proxy says came from elsewhere.
async fn post_from(server: &TestServer, client: &str, path: &str, body: Value) -> Reply {
    let headers = [("content-type", "application/json"), ("x-forwarded-for", client)];
    server.send(Method::POST, path, &headers, body.to_string()).await
}

async fn login_from(server: &TestServer, client: &str, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    post_from(server, client, "/api/auth/login", body).await
}

fn status(reply: &Reply) -> [&str; 3] {
    ["ratelimit-policy", "ratelimit-limit", "ratelimit-remaining"]
        .map(|name| reply.headers.get(name).map_or("", |value| value.to_str().expect("text")))
}

fn seconds(reply: &Reply, name: &str) -> u64 {
    reply.headers[name].to_str().expect("text").parse().expect("seconds")
}

fn assert_refused(reply: &Reply, words: &str) {
    assert_eq!((reply.status, reply.error()), (StatusCode::TOO_MANY_REQUESTS, words));
    assert_eq!(reply.body["code"], "RATE_LIMITED");
    assert!((1..=3600).contains(&seconds(reply, "retry-after")));
}

#[tokio::test]
async fn every_answer_of_a_limited_route_says_where_the_client_stands() {
    let server = limited(Limits { signup: quota(2), turn: quota(1), ..Limits::OFF }).await;
    let origin = [("origin", "http://localhost:5173"), ("content-type", "application/json")];
    let body = signup("ada").to_string();
    let reply = server.send(Method::POST, "/api/auth/signup", &origin, body).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(status(&reply), ["2;w=3600", "2", "1"]);
    assert!((3590..=3600).contains(&seconds(&reply, "ratelimit-reset")));
    let exposed = reply.headers["access-control-expose-headers"].to_str().expect("text");
    for name in ["retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let reply = server.post("/api/auth/signup", json!({})).await;
    assert_eq!((reply.status, status(&reply)[2]), (StatusCode::BAD_REQUEST, "0"));
    let reply = server.sign_up("bob").await;
    assert_refused(&reply, "Too many signup attempts, please try again later.");
    assert_eq!(status(&reply), ["2;w=3600", "2", "0"]);
    assert_eq!(seconds(&reply, "retry-after"), seconds(&reply, "ratelimit-reset"));

    let free = server.send(Method::GET, "/health", &[], "").await;
    assert_eq!(status(&free), ["", "", ""]);
}

#[tokio::test]
async fn turn_credentials_are_counted_after_authentication() {
    let server = limited(Limits { turn: quota(1), ..Limits::OFF }).await;
    let ada = server.member("ada").await;
    let path = "/api/auth/turn-credentials";
    for _ in 0..3 {
        let anonymous = server.send(Method::GET, path, &[], "").await;
        assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&anonymous), ["", "", ""]);
    }
    let reply = server.get_as(path, &ada.access).await;
    assert_eq!((reply.status, status(&reply)), (StatusCode::OK, ["1;w=3600", "1", "0"]));
    assert_refused(&server.get_as(path, &ada.access).await, "Too many TURN credential requests.");
}

#[tokio::test]
async fn logins_that_succeed_do_not_count() {
    let server = limited(Limits { login: quota(2), ..Limits::OFF }).await;
    let ada = server.member("ada").await;
    for _ in 0..4 {
        let reply = server.login(&ada.email, PASSWORD).await;
        assert_eq!((reply.status, status(&reply)[2]), (StatusCode::OK, "2"));
    }
    let me = server.get_as("/api/auth/me", &ada.access).await;
    assert_eq!(status(&me), ["", "", ""], "only leaving asks for the password there");
    for left in ["1", "0"] {
        let reply = server.login(&ada.email, "wrong horse").await;
        assert_eq!((reply.status, status(&reply)[2]), (StatusCode::UNAUTHORIZED, left));
    }
    assert_refused(&server.login(&ada.email, PASSWORD).await, ATTEMPTS);
}

#[tokio::test]
async fn an_unverified_login_is_no_guess() {
    let server = limited(Limits { login: quota(1), ..Limits::OFF }).await;
    server.sign_up("ada").await;
    for _ in 0..3 {
        let reply = server.login("ada@example.com", PASSWORD).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_at_once_are_counted_before_they_fail() {
    let server = limited(Limits { account_login_total: quota(3), ..Limits::OFF }).await;
    let ada = server.member("ada").await;
    let guesses = (0..20).map(|n| {
        let client = format!("192.0.2.{n}");
        let (server, email) = (&server, &ada.email);
        async move { login_from(server, &client, email, "wrong horse").await.status }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    let looked_at = statuses.iter().filter(|status| **status == StatusCode::UNAUTHORIZED);
    assert_eq!(looked_at.count(), 3);
}

#[tokio::test]
async fn who_is_behind_a_trusted_proxy_is_counted_apart() {
    let server = limited(Limits { login: quota(1), ..Limits::OFF }).await;
    let ada = server.member("ada").await;
    let guess = |client: &'static str| login_from(&server, client, &ada.email, "wrong horse");
    assert_eq!(guess("192.0.2.1").await.status, StatusCode::UNAUTHORIZED);
    assert_refused(&guess("192.0.2.1").await, ATTEMPTS);
    assert_refused(&guess("203.0.113.5, 192.0.2.1").await, ATTEMPTS);
    assert_eq!(guess("192.0.2.2").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(guess("2001:db8::1").await.status, StatusCode::UNAUTHORIZED);
    assert_refused(&guess("2001:db8::2").await, ATTEMPTS);
}

#[tokio::test]
async fn nobody_names_their_own_address() {
    let server = TestServer::with(|config| {
        config.limits = Limits { login: quota(1), ..Limits::OFF };
    })
    .await;
    login_from(&server, "192.0.2.1", "ada@example.com", "wrong horse").await;
    let reply = login_from(&server, "192.0.2.2", "ada@example.com", "wrong horse").await;
    assert_refused(&reply, ATTEMPTS);
}

#[tokio::test]
async fn an_account_is_locked_against_guesses_from_everywhere_and_so_is_one_that_is_not_there() {
    let server = limited(Limits { account_login_total: quota(2), ..Limits::OFF }).await;
    server.member("ada").await;
    let mut stories = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut story = Vec::new();
        for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let reply = login_from(&server, client, email, "wrong horse").await;
            story.push((reply.status, reply.body));
        }
        let reply = login_from(&server, "192.0.2.4", email, PASSWORD).await;
        assert_refused(&reply, ATTEMPTS);
        stories.push(story);
    }
    assert_eq!(stories[0], stories[1], "nothing tells the two apart");
    assert_eq!(stories[0][1].0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_mailbox_is_flooded_from_many_addresses() {
    let server = limited(Limits { account_code: quota(2), ..Limits::OFF }).await;
    let user = server.sign_up("ada").await.body["userId"].clone();
    let first = server.next_code().await;
    let resend = async |client: &str| {
        let body = json!({ "userId": user });
        post_from(&server, client, "/api/auth/resend-otp", body).await
    };
    assert_eq!(resend("192.0.2.1").await.status, StatusCode::OK);
    let second = server.next_code().await;
    for client in ["192.0.2.2", "192.0.2.3"] {
        assert_refused(&resend(client).await, CODES);
    }
    // Signing up with the address of somebody is no way around it.
    for email in [first.to.as_str(), "ada+more@example.com"] {
        let mut body = signup("eve");
        body["email"] = json!(email);
        let reply = post_from(&server, "192.0.2.4", "/api/auth/signup", body).await;
        assert_refused(&reply, CODES);
    }
    // Who got no new code keeps the old one.
    let user = user.as_str().expect("an id");
    assert_eq!(server.verify(user, &second.code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn no_account_floods_many_mailboxes() {
    let server = limited(Limits { account_code: quota(2), ..Limits::OFF }).await;
    let ada = server.member("ada").await;
    let ask = async |email: &str| {
        let body = json!({ "email": email, "password": PASSWORD });
        server.send_as(Method::POST, "/api/auth/email", &ada.access, body).await
    };
    for email in ["one@example.com", "two@example.net"] {
        let reply = ask(email).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    }
    assert_refused(&ask("three@example.org").await, CODES);
}

#[tokio::test]
async fn codes_for_forgotten_passwords_count_alike_for_everybody() {
    let server = limited(Limits { account_code: quota(2), ..Limits::OFF }).await;
    server.member("ada").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let forgot = async |client: String| {
            let body = json!({ "email": email });
            post_from(&server, &client, "/api/auth/password/forgot", body).await
        };
        for n in 0..2 {
            assert_eq!(forgot(format!("192.0.2.{n}")).await.status, StatusCode::OK);
        }
        assert_refused(&forgot("192.0.2.9".into()).await, CODES);
    }
}

#[tokio::test]
async fn refreshes_are_counted_by_session_and_by_address() {
    const REFRESHES: &str = "Too many refreshes, please try again later.";
    let limits = Limits { refresh: quota(4), session_refresh: quota(2), ..Limits::OFF };
    let server = limited(limits).await;
    let (ada, bob) = (server.member("ada").await, server.member("bob").await);
    let post = async |client: &str, route: &str, token: &str| {
        let cookie = format!("refresh_token={token}");
        let headers = [("cookie", cookie.as_str()), ("x-forwarded-for", client)];
        server.send(Method::POST, &format!("/api/auth/{route}"), &headers, "").await
    };
    let mut token = ada.refresh;
    for client in ["192.0.2.1", "192.0.2.2"] {
        let reply = post(client, "refresh", &token).await;
        assert_eq!(reply.status, StatusCode::OK);
        token = reply.cookie("refresh_token");
    }
    assert_refused(&post("192.0.2.3", "refresh", &token).await, REFRESHES);
    assert_eq!(post("192.0.2.3", "refresh", &bob.refresh).await.status, StatusCode::OK);
    assert_eq!(post("192.0.2.3", "refresh", "nonsense").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post("192.0.2.3", "logout", "nonsense").await.status, StatusCode::OK);
    for route in ["refresh", "logout"] {
        assert_refused(&post("192.0.2.3", route, "nonsense").await, REFRESHES);
    }
    assert_eq!(post("192.0.2.4", "logout", &token).await.status, StatusCode::OK, "no lock-in");
}

#[tokio::test]
async fn sockets_are_counted_by_address() {
    let server = limited(Limits { connect: quota(2), ..Limits::OFF }).await;
    let (ada, _peer) = server.peer("ada").await;
    let bearer = format!("Bearer {}", ada.access);
    let open = |client: &'static str| {
        let headers = [("authorization", bearer.clone()), ("x-forwarded-for", client.into())];
        let server = &server;
        async move {
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            server.open("", &headers).await
        }
    };
    // The first came from 127.0.0.1.
    assert!(open("192.0.2.1").await.is_ok() && open("192.0.2.1").await.is_ok());
    assert!(open("192.0.2.1").await.is_err());
    assert!(open("192.0.2.2").await.is_ok());
}

/// The least it takes for somebody and for nobody: asked in turn, as others use this machine, too.
async fn quickest(ask: impl AsyncFn(&'static str) -> Reply) -> [Duration; 2] {
    let mut quickest = [Duration::MAX; 2];
    for _ in 0..10 {
        let emails = ["ada@example.com", "nobody@example.com"];
        for (email, least) in emails.into_iter().zip(&mut quickest) {
            let asked = std::time::Instant::now();
            assert!(ask(email).await.status.is_client_error());
            *least = asked.elapsed().min(*least);
        }
    }
    quickest
}

#[tokio::test]
async fn it_takes_as_long_for_nobody_as_for_somebody() {
    let server = limited(Limits::OFF).await;
    server.member("ada").await;
    let login = quickest(async |email| server.login(email, "wrong horse").await).await;
    let reset = quickest(async |email| {
        let body = json!({ "email": email, "otp": "000000", "newPassword": "purple monkey dish" });
        server.post("/api/auth/password/reset", body).await
    })
    .await;
    for [somebody, nobody] in [login, reset] {
        assert!(somebody < nobody * 3 && nobody < somebody * 3, "{somebody:?} {nobody:?}");
    }
}
