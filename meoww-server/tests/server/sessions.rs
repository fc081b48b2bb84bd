//! Logging in, refreshing, logging out, and what tokens are good for.

use reqwest::{Method, StatusCode};

use crate::harness::{Member, PASSWORD, Reply, TestServer, attributes};

async fn refresh(server: &TestServer, token: &str) -> Reply {
    server.post_with_cookie("/api/auth/refresh", &format!("refresh_token={token}")).await
}

async fn may_look(server: &TestServer, access: &str) -> bool {
    let reply = server.get_as("/api/auth/me", access).await;
    if reply.status != StatusCode::OK {
        assert_eq!((reply.status, reply.error()), (StatusCode::UNAUTHORIZED, "Invalid token"));
    }
    reply.status == StatusCode::OK
}

#[tokio::test]
async fn a_login_needs_the_password_and_a_verified_address() {
    let server = TestServer::start().await;
    let anonymous = server.get_as("/api/auth/me", "nonsense").await;
    assert!(anonymous.headers["www-authenticate"].to_str().expect("text").starts_with("Bearer"));
    let user = server.sign_up("ada").await.body["userId"].clone();
    let reply = server.login("ada@example.com", PASSWORD).await;
    assert_eq!((reply.status, reply.error()), (StatusCode::FORBIDDEN, "Email not verified"));
    assert_eq!(reply.body["code"], "EMAIL_NOT_VERIFIED");
    assert_eq!(reply.body["userId"], user);

    let code = server.next_code().await.code;
    server.verify(user.as_str().expect("an id"), &code).await;
    let reply = server.login(" ADA@example.com", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.body["user"]["_id"], user);
    assert!(may_look(&server, &reply.cookie("access_token")).await);
    for (email, password) in [
        ("ada@example.com", "wrong horse"),
        ("ada@example.com", ""),
        ("eve@example.com", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
    ] {
        let reply = server.login(email, password).await;
        assert_eq!(
            (reply.status, reply.error()),
            (StatusCode::UNAUTHORIZED, "Invalid credentials"),
            "{email}"
        );
        assert!(reply.set_cookie("access_token").is_none());
    }
}

#[tokio::test]
async fn an_older_refresh_token_ends_the_session() {
    let server = TestServer::start().await;
    let Member { email, access, refresh: first, .. } = server.member("ada").await;
    let other = server.login(&email, PASSWORD).await;
    let reply = refresh(&server, &first).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.body["message"], "Token refreshed");
    let (second, fresh) = (reply.cookie("refresh_token"), reply.cookie("access_token"));
    assert!(may_look(&server, &fresh).await);
    assert!(may_look(&server, &access).await, "the older access token lives until it expires");

    let third = refresh(&server, &second).await.cookie("refresh_token");
    let reused = refresh(&server, &first).await;
    assert_eq!(reused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reused.error(), "Session expired. Please login again.");
    assert_eq!(refresh(&server, &third).await.status, StatusCode::UNAUTHORIZED);
    assert!(!may_look(&server, &fresh).await);
    assert!(!may_look(&server, &access).await);
    assert!(may_look(&server, &other.cookie("access_token")).await, "another session goes on");
    assert_eq!(refresh(&server, &other.cookie("refresh_token")).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_refreshes_at_once_are_one() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let replies =
        futures_util::future::join_all((0..10).map(|_| refresh(&server, &ada.refresh))).await;
    let next = replies[0].cookie("refresh_token");
    for reply in &replies {
        assert_eq!((reply.status, reply.cookie("refresh_token")), (StatusCode::OK, next.clone()));
        assert!(may_look(&server, &reply.cookie("access_token")).await, "two tabs are no theft");
    }
    // A client that lost the answer repeats its request.
    assert_eq!(refresh(&server, &ada.refresh).await.cookie("refresh_token"), next);
    assert_eq!(refresh(&server, &next).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nonsense_is_no_refresh_token() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    for token in ["", "nonsense", ada.access.as_str()] {
        assert_eq!(refresh(&server, token).await.status, StatusCode::UNAUTHORIZED);
    }
    let none = server.send(Method::POST, "/api/auth/refresh", &[], "").await;
    assert_eq!(none.error(), "Session expired. Please login again.");
    assert!(may_look(&server, &ada.access).await);
}

#[tokio::test]
async fn a_logout_ends_the_session_and_clears_the_cookies() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let cookie = format!("refresh_token={}", ada.refresh);
    // With the session's token, with a spent one, and with none: always the same answer.
    for cookie in [cookie.as_str(), cookie.as_str(), "x=y"] {
        let reply = server.post_with_cookie("/api/auth/logout", cookie).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body["message"], "Logged out successfully");
        for name in ["access_token", "refresh_token"] {
            let line = reply.set_cookie(name).expect("cleared");
            assert!(line.starts_with(&format!("{name}=;")), "{line}");
            assert_eq!(attributes(&line)["max-age"], "0");
        }
    }
    assert!(!may_look(&server, &ada.access).await);
    assert_eq!(refresh(&server, &ada.refresh).await.status, StatusCode::UNAUTHORIZED);
    assert!(
        server.open("", &[("authorization", &format!("Bearer {}", ada.access))]).await.is_err()
    );
}

#[tokio::test]
async fn a_request_without_a_good_token_is_refused() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let reply = server.send(Method::GET, "/api/auth/me", &[], "").await;
    assert_eq!(
        (reply.status, reply.error()),
        (StatusCode::UNAUTHORIZED, "Access denied. No token provided.")
    );
    let parts: Vec<_> = ada.access.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for forged in [
        format!("{none}.{}.", parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}x", parts[0], parts[1], parts[2]),
        ada.refresh.clone(),
        "x".into(),
    ] {
        assert!(!may_look(&server, &forged).await, "{forged}");
    }
    assert!(may_look(&server, &ada.access).await);
}
