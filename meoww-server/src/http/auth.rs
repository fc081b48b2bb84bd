//! Who asks: the access token from the cookie or from `Authorization: Bearer`.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::request::Parts,
    middleware::Next,
    response::Response,
};
use meoww_proto::error::ApiErrorCode;

use super::error::Refusal;
use crate::{
    bearer, clock,
    core::account::{Account, Email},
    services::Services,
    tokens::Bearer,
};

/// A request whose access token is good, whose session has not ended and whose account is not shut
/// out.
pub(crate) struct Authenticated {
    pub(crate) account: Account,
    pub(crate) bearer: Bearer,
}

impl FromRequestParts<Arc<Services>> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, Refusal> {
        const INVALID: Refusal = Refusal::Unauthenticated("Invalid token");
        let token = bearer::presented(&parts.headers)
            .ok_or(Refusal::Unauthenticated("Access denied. No token provided."))?;
        let bearer = services.tokens.check(&token).ok_or(INVALID)?;
        let now = clock::now();
        let account = services.store.session_account(bearer.session, now).await?;
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
    services: &Services,
    account: Option<&Account>,
    tried_on: &Email,
    password: String,
) -> Result<bool, Refusal> {
    let counted = services.gates.account_login.admit(tried_on.clone())?;
    let expected = account.map(|account| account.password_hash.clone());
    let outcome = services.hasher.verify(password, expected).await;
    if !matches!(outcome, Ok(false)) {
        services.gates.account_login.forgive(tried_on, counted);
    }
    Ok(outcome?)
}

/// Asks whoever has a session for the password, too, before what cannot be undone.
pub(crate) async fn demand_password(
    services: &Services,
    account: &Account,
    password: String,
) -> Result<(), Refusal> {
    if is_password_of(services, Some(account), &account.email, password).await? {
        return Ok(());
    }
    Err(wrong_password())
}

/// Not the account's password, or not any more.
pub(crate) fn wrong_password() -> Refusal {
    Refusal::Rejected(ApiErrorCode::WrongPassword, "Wrong password".into())
}
