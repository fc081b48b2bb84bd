//! Who connects. The token comes with the request that opens the transport; its session is looked
//! up when the client asks to be let in, which may be a while later.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use meoww_proto::account::ACCESS_COOKIE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    bearer, clock,
    services::Services,
    tokens::{AccessTokens, Bearer},
};

/// Transports that may be open without a token that could let them in: enough to tell people what
/// is wrong, too few to be a burden.
const MAX_STRANGERS: usize = 256;

/// The Node.js backend's words, which its web front end knows.
const NO_COOKIES: &str = "Authentication error: No cookies found";
const NO_TOKEN: &str = "Authentication error: No access token";
const BANNED: &str = "Authentication error: Account banned";
const INVALID: &str = "Authentication error: Invalid token";
const FAILED: &str = "Something went wrong!";

/// Counts strangers.
pub(super) struct Door(Arc<Semaphore>);

/// Who stands there.
pub(super) struct Handshake {
    bearer: Result<Bearer, &'static str>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Door {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STRANGERS)))
    }

    /// Reads who is there; `None` if that is a stranger and there are too many already.
    pub(super) fn knock(&self, headers: &HeaderMap, tokens: &AccessTokens) -> Option<Handshake> {
        let bearer = presented(headers).and_then(|token| tokens.check(&token).ok_or(INVALID));
        let place = match &bearer {
            Ok(_) => None,
            Err(_) => Some(self.0.clone().try_acquire_owned().ok()?),
        };
        Some(Handshake { bearer, _place: place })
    }
}

pub(crate) fn presented(headers: &HeaderMap) -> Result<String, &'static str> {
    if let Some(token) = bearer::bearer_token(headers) {
        return Ok(token);
    }
    if !headers.contains_key(header::COOKIE) {
        return Err(NO_COOKIES);
    }
    bearer::cookie(headers, ACCESS_COOKIE).ok_or(NO_TOKEN)
}

impl Handshake {
    /// Looks the session up.
    pub(super) fn admit(&self, services: &Services) -> Result<Bearer, &'static str> {
        let bearer = self.bearer?;
        let now = clock::now();
        let account = services.store.session_account(bearer.session, now).map_err(|error| {
            tracing::error!(%error, "could not look up a session");
            FAILED
        })?;
        let account = account.filter(|account| account.id == bearer.user).ok_or(INVALID)?;
        if account.ban_in_force(now).is_some() { Err(BANNED) } else { Ok(bearer) }
    }
}
