//! Who asks: the access token from the cookie or from `Authorization: Bearer`.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use axum_extra::extract::CookieJar;
use meoww_proto::account::ACCESS_COOKIE;

use super::error::Refusal;
use crate::{app::App, core::account::Account, tokens::Bearer};

/// A request whose access token is good and whose session has not ended.
pub(crate) struct Authenticated {
    pub(crate) account: Account,
    pub(crate) bearer: Bearer,
}

impl FromRequestParts<Arc<App>> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        const INVALID: Refusal = Refusal::Unauthenticated("Invalid token");
        let token = presented(parts)
            .ok_or(Refusal::Unauthenticated("Access denied. No token provided."))?;
        let bearer = app.tokens.check(&token).ok_or(INVALID)?;
        let account = app.store.session_account(bearer.session).await?;
        let account = account.filter(|account| account.id == bearer.user).ok_or(INVALID)?;
        Ok(Self { account, bearer })
    }
}

/// A token somebody took the trouble to put in a header is meant before one a browser attached.
fn presented(parts: &Parts) -> Option<String> {
    bearer_token(&parts.headers).or_else(|| {
        let jar = CookieJar::from_headers(&parts.headers);
        jar.get(ACCESS_COOKIE).map(|cookie| cookie.value().to_owned())
    })
}

/// The token of `Authorization: Bearer` (RFC 6750, 2.1).
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
