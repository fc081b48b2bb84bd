//! The server's HTTP API, with the session kept and renewed behind the caller's back.

mod account;
pub(crate) mod answer;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use meoww_proto::{
    UserId,
    account::{
        ACCESS_COOKIE, ApiError, DEVICE_COOKIE, Done, LoginRequest, REFRESH_COOKIE, ResendRequest,
        Session, SignupRequest, SignupResponse, TurnCredentials, User, VerifyRequest,
    },
};
use reqwest::{Method, RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    config::{ServerUrl, Servers},
    error::Error,
    session::{Kept, Login, SessionFile},
};

const TIMEOUT: Duration = Duration::from_secs(20);
/// Divided between the addresses of a name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
/// No answer of the API comes near this.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// One server or fleet, as one user sees it.
pub struct Api {
    http: reqwest::Client,
    servers: Servers,
    /// The order in which they are tried.
    order: Servers,
    /// The position in it of the one that is spoken to, counted around.
    current: AtomicUsize,
    sessions: SessionFile,
}

/// A user's account state at one server.
pub enum Standing {
    /// With a session.
    LoggedIn(Box<User>),
    /// Signed up from here; the code was not entered yet.
    Unverified,
    /// With a session that the server ended.
    Expired,
    /// With nothing.
    LoggedOut,
    /// The server could not be asked.
    Unknown,
}

impl Standing {
    /// For scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoggedIn(_) => "logged-in",
            Self::Unverified => "unverified",
            Self::Expired => "expired",
            Self::LoggedOut => "logged-out",
            Self::Unknown => "unknown",
        }
    }
}

impl Api {
    /// Nothing is sent yet.
    pub fn new(servers: Servers, sessions: SessionFile) -> Result<Self, Error> {
        // Only the first call in a process takes effect, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("meoww/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Other(error.to_string()))?;
        let order = servers.first_and_others(&mut rand::rng());
        Ok(Self { http, servers, order, current: AtomicUsize::new(0), sessions })
    }

    /// All addresses.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The address that is spoken to now.
    pub fn server(&self) -> &ServerUrl {
        self.order.at(self.current.load(Ordering::Relaxed))
    }

    /// Speaks to the next node from now on, if there are several.
    pub(crate) fn leave_server(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a Meoww server answers there.
    ///
    /// # Errors
    /// Returns an error if nothing answers, or something other than a Meoww server.
    pub async fn reach(&self) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        struct Health {
            #[serde(rename = "status")]
            _status: String,
        }
        let response = self.send(self.request(Method::GET, "/health")).await?;
        self.json::<Health>(response).await.map(|_| ())
    }

    /// Account state at the server.
    ///
    /// # Errors
    /// Those of [`Api::me`] that say nothing about it.
    pub async fn standing(&self) -> Result<Standing, Error> {
        match self.me().await {
            Ok(user) => Ok(Standing::LoggedIn(Box::new(user))),
            Err(Error::SessionExpired(_)) => Ok(Standing::Expired),
            Err(Error::NotLoggedIn(_)) => {
                let unverified = self.sessions.load(&self.servers)?.unverified;
                Ok(unverified.map_or(Standing::LoggedOut, |_| Standing::Unverified))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes an account; a code is mailed, and its id kept for [`Api::verify`].
    pub async fn signup(&self, request: &SignupRequest) -> Result<SignupResponse, Error> {
        let request = self.request(Method::POST, "/api/auth/signup").json(request);
        let response: SignupResponse = self.json(self.send(request).await?).await?;
        self.keep_unverified(response.user_id)?;
        Ok(response)
    }

    /// Confirms the mailed code, which also logs in. `user_id` is the account that signed up last
    /// when none is given.
    pub async fn verify(&self, user_id: Option<&str>, otp: String) -> Result<User, Error> {
        let user_id = self.unverified(user_id)?;
        let request = VerifyRequest { user_id, otp };
        let request = self.request(Method::POST, "/api/auth/verify").json(&request);
        self.log_in(request).await
    }

    /// Has a new code mailed.
    pub async fn resend(&self, user_id: Option<&str>) -> Result<Done, Error> {
        let request = ResendRequest { user_id: self.unverified(user_id)? };
        let request = self.request(Method::POST, "/api/auth/resend-otp").json(&request);
        self.json(self.send(request).await?).await
    }

    /// Starts a session.
    pub async fn login(&self, request: &LoginRequest) -> Result<User, Error> {
        let request = self.with_device_cookie(Method::POST, "/api/auth/login")?.json(request);
        let result = self.log_in(request).await;
        if let Err(Error::EmailNotVerified(Some(user_id))) = &result {
            self.keep_unverified(*user_id)?;
        }
        result
    }

    /// Ends the session, here in any case and at the server when it can be reached.
    pub async fn logout(&self) -> Result<(), Error> {
        let Some(login) = self.sessions.load(&self.servers)?.login else {
            return Err(self.not_logged_in());
        };
        let request = self.with_refresh_cookie(Method::POST, "/api/auth/logout", &login);
        let told = self.send(request).await;
        let guard = self.sessions.lock()?;
        let device_token = guard.load(&self.servers)?.device_token;
        guard.store(&self.servers, Kept { device_token, ..Kept::default() })?;
        told.map(|_| ())
    }

    /// Who is logged in.
    pub async fn me(&self) -> Result<User, Error> {
        self.get("/api/auth/me").await
    }

    /// ICE servers, good for an hour.
    pub async fn turn_credentials(&self) -> Result<TurnCredentials, Error> {
        let ask = || self.request(Method::GET, "/api/auth/turn-credentials");
        self.verbatim(self.authorized(ask).await?).await
    }

    /// The access token, fresh or not: whoever is refused with it asks for [`Api::renewed`].
    pub fn access_token(&self) -> Result<String, Error> {
        let login = self.sessions.load(&self.servers)?.login;
        login.map(|login| login.access_token).ok_or_else(|| self.not_logged_in())
    }

    /// An access token other than the `refused` one. At most one program spends the refresh token;
    /// the others find what it got.
    pub async fn renewed(&self, refused: &str) -> Result<String, Error> {
        let sessions = self.sessions.clone();
        // Waiting for a file lock blocks, and its holder waits for the network.
        let guard = tokio::task::block_in_place(|| sessions.lock())?;
        let kept = guard.load(&self.servers)?;
        let Some(login) = kept.login else { return Err(self.not_logged_in()) };
        if login.access_token != refused {
            return Ok(login.access_token);
        }
        let request = self.with_refresh_cookie(Method::POST, "/api/auth/refresh", &login);
        match self.send(request).await {
            Ok(response) => {
                let (access_token, refresh_token) = self.tokens(&response)?;
                let login = Login { access_token: access_token.clone(), refresh_token, ..login };
                guard.store(&self.servers, Kept { login: Some(login), ..kept })?;
                Ok(access_token)
            }
            Err(Error::SessionExpired(server)) => {
                guard.store(&self.servers, Kept { login: None, ..kept })?;
                Err(Error::SessionExpired(server))
            }
            Err(error) => Err(error),
        }
    }

    async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, Error> {
        let response = self.authorized(|| self.request(Method::GET, route)).await?;
        self.json(response).await
    }

    /// Asks in the name of who is logged in, a second time if the access token was too old.
    async fn authorized(&self, ask: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let token = self.access_token()?;
        match self.send(ask().bearer_auth(&token)).await {
            Err(Error::SessionExpired(_)) => {
                let token = self.renewed(&token).await?;
                self.send(ask().bearer_auth(token)).await
            }
            other => other,
        }
    }

    async fn log_in(&self, request: RequestBuilder) -> Result<User, Error> {
        let response = self.send(request).await?;
        self.keep_login(response).await
    }

    async fn keep_login(&self, response: Response) -> Result<User, Error> {
        let (access_token, refresh_token) = self.tokens(&response)?;
        let device_token = cookie(&response, DEVICE_COOKIE);
        let Session { user } = self.json(response).await?;
        let login = Login { user: user.clone(), access_token, refresh_token };
        let guard = self.sessions.lock()?;
        let device_token = device_token.or(guard.load(&self.servers)?.device_token);
        guard.store(&self.servers, Kept { login: Some(login), device_token, unverified: None })?;
        Ok(user)
    }

    fn keep_unverified(&self, user_id: UserId) -> Result<(), Error> {
        let guard = self.sessions.lock()?;
        let kept = guard.load(&self.servers)?;
        guard.store(&self.servers, Kept { unverified: Some(user_id), ..kept })
    }

    fn unverified(&self, given: Option<&str>) -> Result<String, Error> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let kept = self.sessions.load(&self.servers)?;
        let none = || {
            let server = self.server();
            Error::InvalidInput(format!(
                "No sign-up at {server} waits for a code. Run `meoww signup`, or give --user-id."
            ))
        };
        kept.unverified.map(|id| id.to_string()).ok_or_else(none)
    }

    fn not_logged_in(&self) -> Error {
        Error::NotLoggedIn(self.server().to_string())
    }

    fn request(&self, method: Method, route: &str) -> RequestBuilder {
        self.http.request(method, self.server().http(route))
    }

    /// A request by which the server can tell that this machine was logged in before.
    fn with_device_cookie(&self, method: Method, route: &str) -> Result<RequestBuilder, Error> {
        let request = self.request(method, route);
        Ok(match self.sessions.load(&self.servers)?.device_token {
            Some(token) => request.header(header::COOKIE, format!("{DEVICE_COOKIE}={token}")),
            None => request,
        })
    }

    fn with_refresh_cookie(&self, method: Method, route: &str, login: &Login) -> RequestBuilder {
        let cookie = format!("{REFRESH_COOKIE}={}", login.refresh_token);
        self.request(method, route).header(header::COOKIE, cookie)
    }

    fn tokens(&self, response: &Response) -> Result<(String, String), Error> {
        let value = |name| {
            cookie(response, name).ok_or_else(|| self.not_meoww(format!("no {name} cookie")))
        };
        Ok((value(ACCESS_COOKIE)?, value(REFRESH_COOKIE)?))
    }

    /// Sends; whatever is not a success comes back as the error it means.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = self.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() {
            return Ok(response);
        }
        let asked = response.url().clone();
        let unexpected = || answer::unexpected(self.server(), (status, &headers), &asked);
        let body = self.body(response).await?;
        let refusal = serde_json::from_slice(&body).ok().and_then(safe::<ApiError>);
        let refusal = refusal.ok_or_else(unexpected)?;
        Err(answer::refusal(self.server(), (status, &headers), asked.path(), refusal))
    }

    /// Asks one node after the other until one can be connected to: what a node may have received is
    /// not sent to another.
    async fn execute(&self, request: RequestBuilder) -> Result<Response, Error> {
        let mut request = request.build().map_err(|error| self.unreachable(&error))?;
        let first = self.current.load(Ordering::Relaxed);
        let server = self.order.at(first).to_string();
        let route = request.url().as_str().strip_prefix(&server).map(str::to_owned);
        for next in first + 1..first + self.servers.iter().len() {
            let (Some(same), Some(route)) = (request.try_clone(), &route) else { break };
            match self.http.execute(same).await {
                Err(error) if error.is_connect() => {
                    let Ok(url) = self.order.at(next).http(route).parse() else { break };
                    *request.url_mut() = url;
                    self.current.store(next, Ordering::Relaxed);
                }
                answered => return answered.map_err(|error| self.unreachable(&error)),
            }
        }
        self.http.execute(request).await.map_err(|error| self.unreachable(&error))
    }

    /// The answer, with all text in it safe to draw.
    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, Error> {
        let status = response.status();
        let answer: Value = self.verbatim(response).await?;
        safe(answer).ok_or_else(|| self.not_meoww(format!("unexpected {status}")))
    }

    /// The answer as it is: for what is not to be drawn.
    async fn verbatim<T: DeserializeOwned>(&self, response: Response) -> Result<T, Error> {
        let status = response.status();
        let body = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|_| self.not_meoww(format!("unexpected {status}")))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.not_meoww("an answer without end".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn not_meoww(&self, why: String) -> Error {
        Error::NotMeoww { server: self.server().to_string(), why }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        if error.is_timeout() {
            return answer::silent(self.server());
        }
        answer::unreachable(self.server(), error)
    }
}

fn safe<T: DeserializeOwned>(mut answer: Value) -> Option<T> {
    answer::sanitise(&mut answer);
    serde_json::from_value(answer).ok()
}

fn cookie(response: &Response, name: &str) -> Option<String> {
    let found = response.cookies().find(|cookie| cookie.name() == name);
    found.map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests;
