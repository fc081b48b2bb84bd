//! Who asks: the access token from the cookie or from `Authorization: Bearer`.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::Response,
};
use axum_extra::extract::CookieJar;
use meoww_proto::{account::ACCESS_COOKIE, error::ApiErrorCode};

use super::error::Refusal;
use crate::{
    app::App,
    clock,
    core::account::{Account, Email},
    tokens::Bearer,
};

/// A request whose access token is good, whose session has not ended and whose account is not shut
/// out.
pub(crate) struct Authenticated {
    pub(crate) account: Account,
    pub(crate) bearer: Bearer,
}

impl FromRequestParts<Arc<App>> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        const INVALID: Refusal = Refusal::Unauthenticated("Invalid token");
        let token = presented(&parts.headers)
            .ok_or(Refusal::Unauthenticated("Access denied. No token provided."))?;
        let bearer = app.tokens.check(&token).ok_or(INVALID)?;
        let now = clock::now();
        let account = app.store.session_account(bearer.session, now)?;
        let account = account.filter(|account| account.id == bearer.user).ok_or(INVALID)?;
        if let Some(ban) = account.ban_in_force(now) {
            return Err(Refusal::Banned(ban.clone()));
        }
        Ok(Self { account, bearer })
    }
}

/// A layer for what comes after authentication without being the handler.
pub(crate) async fn required(_: Authenticated, request: Request, next: Next) -> Response {
    next.run(request).await
}

/// Whether `password` is the account's. A wrong one counts against the address it was tried on;
/// without an account, the same work and the same count.
pub(crate) async fn is_password_of(
    app: &App,
    account: Option<&Account>,
    tried_on: &Email,
    password: String,
) -> Result<bool, Refusal> {
    let counted = app.gates.account_login.admit(tried_on.clone())?;
    let expected = account.map(|account| account.password_hash.clone());
    let outcome = app.hasher.verify(password, expected).await;
    if !matches!(outcome, Ok(false)) {
        app.gates.account_login.forgive(tried_on, counted);
    }
    Ok(outcome?)
}

/// Asks whoever has a session for the password, too, before what cannot be undone.
pub(crate) async fn demand_password(
    app: &App,
    account: &Account,
    password: String,
) -> Result<(), Refusal> {
    if is_password_of(app, Some(account), &account.email, password).await? {
        return Ok(());
    }
    Err(wrong_password())
}

/// Not the account's password, or not any more.
pub(crate) fn wrong_password() -> Refusal {
    Refusal::Rejected(ApiErrorCode::WrongPassword, "Wrong password".into())
}

/// A token somebody took the trouble to put in a header is meant before one a browser attached.
pub(crate) fn presented(headers: &HeaderMap) -> Option<String> {
    bearer_token(headers).or_else(|| {
        let jar = CookieJar::from_headers(headers);
        jar.get(ACCESS_COOKIE).map(|cookie| cookie.value().to_owned())
    })
}

/// The token of `Authorization: Bearer` (RFC 6750, 2.1).
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
