//! A database that takes nothing for a while: requests are put off with 503, and count against no
//! limit, as they are to come again.

use std::time::Duration;

use meoww_server::{
    config::Limits,
    core::{limits::Quota, otp},
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_postgres::Client;

use crate::{
    engine,
    harness::{PASSWORD, Reply, TestServer, patiently, signup},
    records,
};

/// A database with a disk that can be full, and a server on it.
struct Disk {
    database: Client,
}

impl Disk {
    async fn under(limits: Limits) -> (Self, TestServer) {
        let url = engine::fresh_database().await;
        let server = TestServer::with(|config| {
            config.database = Some(engine::url(&url));
            config.limits = limits;
        })
        .await;
        let disk = Self { database: engine::client(&url).await };
        disk.has_room().await;
        for (table, _) in records::tables(&disk.database).await {
            let sql = format!(
                "CREATE TRIGGER disk BEFORE INSERT OR UPDATE OR DELETE ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION disk()"
            );
            disk.database.batch_execute(&sql).await.expect("made");
        }
        (disk, server)
    }

    /// As PostgreSQL says it (SQLSTATE 53100), which a trigger does as well.
    async fn is_full(&self) {
        self.writes("RAISE 'could not extend file: No space left' USING ERRCODE = 'disk_full'")
            .await;
    }

    async fn has_room(&self) {
        self.writes("RETURN coalesce(NEW, OLD)").await;
    }

    async fn writes(&self, what: &str) {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION disk() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN {what}; END $$"
        );
        self.database.batch_execute(&sql).await.expect("made");
    }

    /// Demands that a task is put off while the disk is full.
    async fn demand_refusal<F: Future<Output = Reply>>(&self, ask: impl Fn() -> F) {
        self.is_full().await;
        let answer = ask().await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
        assert!(answer.headers.contains_key("retry-after"));
        self.has_room().await;
    }

    /// Demands that a task is put off while the disk is full, and done when it has room; returns the answer
    /// then.
    async fn demand_both<F: Future<Output = Reply>>(&self, ask: impl Fn() -> F) -> Reply {
        self.demand_refusal(&ask).await;
        let answer = ask().await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer
    }
}

fn quota(requests: u32) -> Option<Quota> {
    Some(Quota { requests, window: Duration::from_secs(3600) })
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_codes_and_sessions_that_were_put_off_do_not_count() {
    let (disk, server) = Disk::under(Limits {
        signup: quota(1),
        verify: quota(1),
        refresh: quota(1),
        session_refresh: quota(1),
        // The code of the sign-up, and the one asked for once more.
        account_code: quota(2),
        ..Limits::OFF
    })
    .await;
    let answer = disk.demand_both(|| server.post("/api/auth/signup", signup("ada"))).await;
    assert_eq!(answer.headers["ratelimit-remaining"], "0");
    let user = answer.body["userId"].as_str().expect("an id");
    server.next_code().await;
    let again = json!({ "userId": user });
    disk.demand_both(|| server.post("/api/auth/resend-otp", again.clone())).await;
    let code = server.next_code().await.code;
    let session = disk.demand_both(|| server.verify(user, &code)).await;
    let cookie = format!("refresh_token={}", session.cookie("refresh_token"));
    disk.demand_both(|| server.post_with_cookie("/api/auth/refresh", &cookie)).await;
    let other = server.post("/api/auth/signup", signup("bob")).await;
    assert_eq!(other.status, StatusCode::TOO_MANY_REQUESTS, "one that was kept counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_that_was_put_off_does_not_count() {
    let limits = Limits { account_code: quota(1), ..Limits::OFF };
    let (disk, server) = Disk::under(limits).await;
    let ada = server.member("ada").await;
    let new = json!({ "email": "new@example.com", "password": PASSWORD });
    let path = "/api/auth/email";
    disk.demand_both(|| server.send_as(Method::POST, path, &ada.access, new.clone())).await;
    let answer = server.send_as(Method::POST, path, &ada.access, new).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "one that was mailed counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_put_off_without_a_count() {
    let limits = Limits { account_code: quota(1), ..Limits::OFF };
    let (disk, server) = Disk::under(limits).await;
    let ada = server.member("ada").await;
    let forgot = json!({ "email": ada.email });
    disk.is_full().await;
    // Answered before it is done, as for an address without an account.
    let answer = server.post("/api/auth/password/forgot", forgot.clone()).await;
    assert_eq!(answer.status, StatusCode::OK);
    // Taken back a moment later; then the next one is let in, and fails like the first.
    let next = patiently(async {
        loop {
            let answer = server.post("/api/auth/password/forgot", forgot.clone()).await;
            if answer.status == StatusCode::OK {
                return answer;
            }
        }
    });
    assert_eq!(next.await.status, StatusCode::OK);
    disk.has_room().await;
    patiently(async {
        while !server.mail_is_waiting().await {
            server.post("/api/auth/password/forgot", forgot.clone()).await;
        }
    })
    .await;
    let code = server.next_code().await.code;
    let reset = json!({ "email": ada.email, "otp": code, "newPassword": "purple monkey dish" });
    for _ in 0..otp::MAX_TRIES {
        disk.demand_refusal(|| server.post("/api/auth/password/reset", reset.clone())).await;
    }
    let answer = server.post("/api/auth/password/reset", reset).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_find_no_free_connection_may_come_again() {
    // Of its own: a lock that is held makes others' transactions wait in all databases of a cluster.
    let cluster = tokio::task::spawn_blocking(engine::Cluster::start).await.expect("a cluster");
    let database = cluster.url("postgres");
    let server = TestServer::with(|config| {
        config.database = Some(engine::url(&database));
        config.database_connections = 1;
    })
    .await;
    let mut client = engine::client(&database).await;
    let lock = client.transaction().await.expect("begun");
    lock.batch_execute("LOCK TABLE emails").await.expect("locked");
    let (one, other) = tokio::join!(server.sign_up("ada"), server.sign_up("bob"));
    for answer in [one, other] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
        assert!(answer.headers.contains_key("retry-after"));
    }
    lock.rollback().await.expect("ended");
    assert_eq!(server.sign_up("ada").await.status, StatusCode::CREATED);
    tokio::task::spawn_blocking(|| cluster.stop()).await.expect("stopped");
}
