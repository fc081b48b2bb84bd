//! Who connects. The token comes with the request that opens the transport; its session is looked
//! up when the client asks to be let in, which may be a while later.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use axum_extra::extract::CookieJar;
use meoww_proto::account::ACCESS_COOKIE;
use socketioxide::extract::SocketRef;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::session::Event;
use crate::{
    app::App,
    clock, queue,
    tokens::{AccessTokens, Bearer},
};

/// Transports that may be open without a token that could let them in: enough to tell people what
/// is wrong, too few to be a burden.
const MAX_STRANGERS: usize = 256;

/// The Node.js backend's words, which its web front end knows.
pub(super) const NO_COOKIES: &str = "Authentication error: No cookies found";
const NO_TOKEN: &str = "Authentication error: No access token";
const BANNED: &str = "Authentication error: Account banned";
const INVALID: &str = "Authentication error: Invalid token";
const FAILED: &str = "Something went wrong!";

/// Counts strangers.
#[derive(Clone)]
pub(crate) struct Handshakes(Arc<Semaphore>);

impl Handshakes {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STRANGERS)))
    }

    /// Reads who is there; `None` if that is a stranger and there are too many already.
    pub(crate) fn begin(&self, headers: &HeaderMap, tokens: &AccessTokens) -> Option<Handshake> {
        let bearer = presented(headers).and_then(|token| tokens.check(&token).ok_or(INVALID));
        let place = match &bearer {
            Ok(_) => None,
            Err(_) => Some(self.0.clone().try_acquire_owned().ok()?),
        };
        Some(Handshake(Arc::new(State { bearer, _place: place, admitted: Mutex::default() })))
    }
}

fn presented(headers: &HeaderMap) -> Result<String, &'static str> {
    if let Some(token) = crate::http::bearer_token(headers) {
        return Ok(token);
    }
    if !headers.contains_key(header::COOKIE) {
        return Err(NO_COOKIES);
    }
    let jar = CookieJar::from_headers(headers);
    jar.get(ACCESS_COOKIE).map(|cookie| cookie.value().to_owned()).ok_or(NO_TOKEN)
}

/// What is known of one transport; it goes with the request that opened it.
#[derive(Clone)]
pub(crate) struct Handshake(Arc<State>);

struct State {
    bearer: Result<Bearer, &'static str>,
    _place: Option<OwnedSemaphorePermit>,
    admitted: Mutex<Admission>,
}

/// A transport lets somebody in once.
#[derive(Default)]
enum Admission {
    #[default]
    Open,
    Given(Admitted),
    Taken,
}

/// Somebody who was let in.
pub(super) struct Admitted {
    pub(super) bearer: Bearer,
    pub(super) heard: queue::Receiver<Event>,
}

impl Handshake {
    pub(super) fn of(socket: &SocketRef) -> Option<Self> {
        socket.req_parts().extensions.get::<Self>().cloned()
    }

    /// Looks the session up.
    pub(super) async fn admit(&self, app: &App) -> Result<Bearer, &'static str> {
        let bearer = self.0.bearer?;
        let now = clock::now();
        let account = app.store.session_account(bearer.session, now).await.map_err(|error| {
            tracing::error!(%error, "could not look up a session");
            FAILED
        })?;
        let account = account.filter(|account| account.id == bearer.user).ok_or(INVALID)?;
        if account.ban_in_force(now).is_some() { Err(BANNED) } else { Ok(bearer) }
    }

    /// Keeps what its session needs until the client has been told that it is in.
    pub(super) fn put(
        &self,
        bearer: Bearer,
        heard: queue::Receiver<Event>,
    ) -> Result<(), &'static str> {
        let mut admission = self.0.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*admission, Admission::Open) {
            return Err(INVALID);
        }
        *admission = Admission::Given(Admitted { bearer, heard });
        Ok(())
    }

    /// Hands it over, once.
    pub(super) fn take(&self) -> Option<Admitted> {
        let mut admission = self.0.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *admission, Admission::Taken) {
            Admission::Given(admitted) => Some(admitted),
            Admission::Open | Admission::Taken => None,
        }
    }
}
