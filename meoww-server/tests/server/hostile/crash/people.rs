//! A client that writes without pause and remembers what it was promised.

use std::{
    iter::Sum,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::disk::{Disk, Token};
use crate::{
    harness::{PASSWORD, signup},
    process::code_for,
};

/// How many of each were answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Acknowledged {
    signups: usize,
    verifies: usize,
    logins: usize,
    refreshes: usize,
    replays: usize,
    logouts: usize,
}

impl Acknowledged {
    pub(super) fn has_every_kind(&self) -> bool {
        [self.signups, self.verifies, self.logins, self.refreshes, self.replays, self.logouts]
            .iter()
            .all(|count| *count > 0)
    }
}

impl Sum for Acknowledged {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            signups: sum.signups + one.signups,
            verifies: sum.verifies + one.verifies,
            logins: sum.logins + one.logins,
            refreshes: sum.refreshes + one.refreshes,
            replays: sum.replays + one.replays,
            logouts: sum.logouts + one.logouts,
        })
    }
}

#[derive(Debug)]
struct Account {
    id: String,
    name: String,
    verified: bool,
}

/// A session by its good token, the one before, and the one before that.
#[derive(Debug)]
struct Session {
    good: String,
    before: Option<String>,
    spent: Option<String>,
}

/// What was asked and not answered when the server died: done, or not done.
#[derive(Debug)]
enum Doubt {
    Signup(String),
    Verify(usize),
    /// May have opened a session that nobody knows.
    Login,
    Refresh(Session),
    /// A logout, or a spent token presented again.
    End(Session),
}

pub(super) struct Client {
    name: String,
    rng: StdRng,
    names: usize,
    accounts: Vec<Account>,
    sessions: Vec<Session>,
    /// Good tokens of sessions that were ended.
    ended: Vec<String>,
    doubt: Option<Doubt>,
    pub(super) acknowledged: Acknowledged,
}

/// The server is gone; whatever was under way is in doubt.
struct Gone;

struct Reply {
    status: StatusCode,
    tokens: Option<String>,
    body: Value,
}

impl Client {
    pub(super) fn new(n: usize, rng: StdRng) -> Self {
        Self {
            name: format!("c{n}"),
            rng,
            names: 0,
            accounts: Vec::new(),
            sessions: Vec::new(),
            ended: Vec::new(),
            doubt: None,
            acknowledged: Acknowledged::default(),
        }
    }

    pub(super) async fn write_until_gone(
        &mut self,
        url: &str,
        outbox: &Path,
        answers: &AtomicUsize,
    ) {
        let server = Server { http: reqwest::Client::new(), url: url.to_owned() };
        while self.step(&server, outbox).await.is_ok() {
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn step(&mut self, server: &Server, outbox: &Path) -> Result<(), Gone> {
        let unverified = self.accounts.iter().position(|account| !account.verified);
        match self.rng.random_range(0..20) {
            _ if self.accounts.is_empty() => self.sign_up(server).await,
            0..4 => match unverified {
                Some(n) => self.verify(server, n, outbox).await,
                None => self.sign_up(server).await,
            },
            4..7 => self.log_in(server).await,
            n => match self.take_session() {
                None => self.log_in(server).await,
                Some(session) if n < 16 => self.refresh(server, session).await,
                Some(session) if n < 18 => self.replay(server, session).await,
                Some(session) => self.log_out(server, session).await,
            },
        }
    }

    fn take_session(&mut self) -> Option<Session> {
        let n = self.sessions.len();
        (n > 0).then(|| self.sessions.swap_remove(self.rng.random_range(0..n)))
    }

    async fn sign_up(&mut self, server: &Server) -> Result<(), Gone> {
        self.names += 1;
        let name = format!("{}.{}", self.name, self.names);
        self.doubt = Some(Doubt::Signup(name.clone()));
        let reply = server.post("signup", &signup(&name), None).await?;
        self.doubt = None;
        if reply.status == StatusCode::CREATED {
            let id = reply.body["userId"].as_str().expect("an id").to_owned();
            self.accounts.push(Account { id, name, verified: false });
            self.acknowledged.signups += 1;
        } else {
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.body);
        }
        Ok(())
    }

    async fn verify(&mut self, server: &Server, n: usize, outbox: &Path) -> Result<(), Gone> {
        let Account { id, name, .. } = &self.accounts[n];
        // The mail of a sign-up that was never answered may not have been written.
        let Some(code) = code_for(outbox, name) else { return Ok(()) };
        let body = json!({ "userId": id, "otp": code });
        self.doubt = Some(Doubt::Verify(n));
        let reply = server.post("verify", &body, None).await?;
        self.doubt = None;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        self.accounts[n].verified = true;
        self.open(reply);
        self.acknowledged.verifies += 1;
        Ok(())
    }

    async fn log_in(&mut self, server: &Server) -> Result<(), Gone> {
        let Account { name, verified, .. } =
            self.accounts.choose(&mut self.rng).expect("checked before");
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        let expected = if *verified { StatusCode::OK } else { StatusCode::FORBIDDEN };
        self.doubt = Some(Doubt::Login);
        let reply = server.post("login", &body, None).await?;
        self.doubt = None;
        if reply.status == StatusCode::SERVICE_UNAVAILABLE {
            return Ok(());
        }
        assert_eq!(reply.status, expected, "{}", reply.body);
        if expected == StatusCode::OK {
            self.open(reply);
            self.acknowledged.logins += 1;
        }
        Ok(())
    }

    fn open(&mut self, reply: Reply) {
        let good = reply.tokens.expect("a refresh token");
        self.sessions.push(Session { good, before: None, spent: None });
    }

    async fn refresh(&mut self, server: &Server, session: Session) -> Result<(), Gone> {
        let (good, before) = (session.good.clone(), session.before.clone());
        self.doubt = Some(Doubt::Refresh(session));
        let reply = server.post("refresh", &json!({}), Some(&good)).await?;
        self.doubt = None;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        let next = reply.tokens.expect("a refresh token");
        self.sessions.push(Session { good: next, before: Some(good), spent: before });
        self.acknowledged.refreshes += 1;
        Ok(())
    }

    /// A thief comes with an old token.
    async fn replay(&mut self, server: &Server, session: Session) -> Result<(), Gone> {
        let Some(spent) = session.spent.clone() else {
            return self.refresh(server, session).await;
        };
        let good = session.good.clone();
        self.doubt = Some(Doubt::End(session));
        let reply = server.post("refresh", &json!({}), Some(&spent)).await?;
        self.doubt = None;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "both tokens were good");
        self.ended.push(good);
        self.acknowledged.replays += 1;
        Ok(())
    }

    async fn log_out(&mut self, server: &Server, session: Session) -> Result<(), Gone> {
        let good = session.good.clone();
        self.doubt = Some(Doubt::End(session));
        let reply = server.post("logout", &json!({}), Some(&good)).await?;
        self.doubt = None;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        self.ended.push(good);
        self.acknowledged.logouts += 1;
        Ok(())
    }

    /// What was promised is on disk; what is in doubt is settled by what the disk says.
    pub(super) fn compare(&mut self, disk: &Disk, outbox: &Path) {
        if let Some(doubt) = self.doubt.take() {
            self.settle(doubt, disk, outbox);
        }
        for Account { id, name, verified } in &self.accounts {
            assert_eq!(disk.account(name), Some((id.clone(), *verified)), "{name}");
        }
        for Session { good, before, spent } in &self.sessions {
            assert_eq!(disk.token(good), Token::Good);
            assert!(before.iter().chain(spent).all(|token| disk.token(token) != Token::Good));
        }
        assert!(self.ended.iter().all(|token| disk.token(token) == Token::Dead));
    }

    fn settle(&mut self, doubt: Doubt, disk: &Disk, outbox: &Path) {
        match doubt {
            Doubt::Login => {}
            Doubt::Signup(name) => match disk.account(&name) {
                Some((id, verified)) => self.accounts.push(Account { id, name, verified }),
                None => assert_eq!(code_for(outbox, &name), None, "mailed and forgotten"),
            },
            Doubt::Verify(n) => {
                let account = &mut self.accounts[n];
                account.verified = disk.account(&account.name).is_some_and(|(_, done)| done);
            }
            Doubt::Refresh(session) => match disk.token(&session.good) {
                Token::Good => self.sessions.push(session),
                // The new one was never heard of; that it is good, `Disk::check` has seen.
                Token::Spent => {}
                Token::Dead => panic!("neither token is good"),
            },
            Doubt::End(session) => match disk.token(&session.good) {
                Token::Good => self.sessions.push(session),
                Token::Dead => self.ended.push(session.good),
                Token::Spent => panic!("nobody refreshed it"),
            },
        }
    }
}

struct Server {
    http: reqwest::Client,
    url: String,
}

impl Server {
    async fn post(&self, path: &str, body: &Value, refresh: Option<&str>) -> Result<Reply, Gone> {
        let mut request = self.http.post(format!("{}/api/auth/{path}", self.url));
        request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        if let Some(token) = refresh {
            request = request.header(header::COOKIE, format!("refresh_token={token}"));
        }
        let response = request.send().await.map_err(|_| Gone)?;
        let status = response.status();
        let lines = response.headers().get_all(header::SET_COOKIE);
        let tokens = lines.iter().find_map(|line| {
            let line = line.to_str().ok()?.strip_prefix("refresh_token=")?;
            Some(line.split(';').next()?.to_owned())
        });
        let text = response.text().await.map_err(|_| Gone)?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Reply { status, tokens, body })
    }
}
