//! Requests of a user at a node.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Client, Method, Response, StatusCode, header};
use serde_json::{Value, json};

/// The answer to a log-in or to a change of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The password is right; with the access token of the new session.
    Right(String),
    Wrong,
}

/// An account with a session.
#[derive(Clone)]
pub(crate) struct Account {
    http: Client,
    token: String,
}

impl Account {
    pub(crate) fn of(http: &Client, token: &str) -> Self {
        Self { http: http.clone(), token: token.to_owned() }
    }

    async fn ask(
        &self,
        method: Method,
        node: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Response> {
        let mut request = self.http.request(method, format!("{node}/api/auth{path}"));
        request = request.header(header::COOKIE, format!("access_token={}", self.token));
        if let Some(body) = body {
            let json = request.header(header::CONTENT_TYPE, "application/json");
            request = json.body(body.to_string());
        }
        request.send().await
    }

    async fn read(&self, node: &str, path: &str) -> anyhow::Result<Value> {
        let answer = self.ask(Method::GET, node, path, None).await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    /// Its username and its address.
    pub(crate) async fn names(&self, node: &str) -> anyhow::Result<[String; 2]> {
        let me = self.read(node, "/me").await?;
        let text = |field: &str| me[field].as_str().map(str::to_owned).context("no name");
        Ok([text("username")?, text("email")?])
    }

    /// The id of this session.
    pub(crate) async fn session(&self, node: &str) -> anyhow::Result<String> {
        let listed = self.read(node, "/sessions").await?;
        let listed = listed["sessions"].as_array().context("no list of sessions")?;
        let own = listed.iter().find(|session| session["current"] == true);
        Ok(own.and_then(|own| own["id"].as_str()).context("no session")?.to_owned())
    }

    /// Ends a session of this account; returns whether it has ended.
    pub(crate) async fn end_session(&self, node: &str, id: &str) -> bool {
        let path = format!("/sessions/{id}");
        let answer = self.ask(Method::DELETE, node, &path, None).await;
        // Unauthorized: it was ended by an earlier try without an answer.
        answer.is_ok_and(|it| it.status().is_success() || it.status() == StatusCode::UNAUTHORIZED)
    }

    /// Changes the password.
    pub(crate) async fn change_password(
        &self,
        node: &str,
        [old, new]: [&str; 2],
    ) -> anyhow::Result<Verdict> {
        let change = json!({ "currentPassword": old, "newPassword": new });
        verdict(&self.ask(Method::POST, node, "/password", Some(change)).await?)
    }
}

/// Logs in.
pub(crate) async fn log_in(
    http: &Client,
    node: &str,
    email: &str,
    password: &str,
) -> anyhow::Result<Verdict> {
    let log_in = json!({ "email": email, "password": password });
    verdict(&Account::of(http, "").ask(Method::POST, node, "/login", Some(log_in)).await?)
}

fn verdict(answer: &Response) -> anyhow::Result<Verdict> {
    match answer.status() {
        StatusCode::OK => {
            let cookies = answer.headers().get_all(header::SET_COOKIE).into_iter();
            let mut tokens = cookies.filter_map(|cookie| {
                let (token, _) =
                    cookie.to_str().ok()?.strip_prefix("access_token=")?.split_once(';')?;
                Some(token.to_owned())
            });
            Ok(Verdict::Right(tokens.next().context("no access token")?))
        }
        StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => Ok(Verdict::Wrong),
        status => anyhow::bail!("{status}"),
    }
}

/// Asks for an account; returns the answer's status.
pub(crate) async fn sign_up(
    http: &Client,
    node: &str,
    username: &str,
) -> reqwest::Result<StatusCode> {
    let account = json!({
        "name": username,
        "username": username,
        "email": format!("{username}@example.org"),
        "password": "correct horse battery",
    });
    let answer = Account::of(http, "").ask(Method::POST, node, "/signup", Some(account)).await?;
    Ok(answer.status())
}

/// A client that waits so long for an answer.
pub(crate) fn client(timeout: Duration) -> Client {
    Client::builder().timeout(timeout).build().expect("a client")
}
