//! Who asks: the access token from the cookie or from `Authorization: Bearer`.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
    middleware::Next,
    response::Response,
};
use meoww_proto::error::ApiErrorCode;

use super::error::Refusal;
use crate::{
    bearer, clock,
    core::{
        account::{Account, Email},
        device::Guesser,
    },
    services::Services,
    store::StoreError,
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
        if bearer::presented(&parts.headers).is_none() {
            return Err(Refusal::Unauthenticated("Access denied. No token provided."));
        }
        let live = live_session(services, &parts.headers).await?;
        let (account, bearer) = live.ok_or(INVALID)?;
        if let Some(ban) = account.ban_in_force(clock::now()) {
            return Err(Refusal::Banned(ban.clone()));
        }
        Ok(Self { account, bearer })
    }
}

/// Whom the access token of a request speaks for, if it is good and its session has not ended.
pub(crate) async fn live_session(
    services: &Services,
    headers: &HeaderMap,
) -> Result<Option<(Account, Bearer)>, StoreError> {
    let token = bearer::presented(headers);
    let bearer = token.and_then(|token| services.tokens.check(&token));
    let Some(bearer) = bearer else { return Ok(None) };
    let account = services.store.session_account(bearer.session, clock::now()).await?;
    Ok(account.filter(|account| account.id == bearer.user).map(|account| (account, bearer)))
}

/// A layer for what comes after authentication without being the handler.
pub(crate) async fn required(_: Authenticated, request: Request, next: Next) -> Response {
    next.run(request).await
}

/// Whether `password` is the account's. A wrong one counts against the address it was tried on and
/// where it came from; without an account, the same work and the same count.
pub(crate) async fn is_password_of(
    services: &Services,
    account: Option<&Account>,
    tried_on: &Email,
    guesser: Guesser,
    password: String,
) -> Result<bool, Refusal> {
    let counted = services.rate_limiters.admit_password(tried_on, guesser).await?;
    let expected = account.map(|account| account.password_hash.clone());
    let outcome = services.hasher.verify(password, expected).await;
    if !matches!(outcome, Ok(false)) {
        services.rate_limiters.forgive_password(counted).await;
    }
    Ok(outcome?)
}

/// Asks whoever has a session for the password, too, before what cannot be undone.
pub(crate) async fn demand_password(
    services: &Services,
    Authenticated { account, bearer }: &Authenticated,
    password: String,
) -> Result<(), Refusal> {
    let guesser = Guesser::Session(bearer.session);
    if is_password_of(services, Some(account), &account.email, guesser, password).await? {
        return Ok(());
    }
    Err(wrong_password())
}

/// Not the account's password, or not any more.
pub(crate) fn wrong_password() -> Refusal {
    Refusal::Rejected(ApiErrorCode::WrongPassword, "Wrong password".into())
}
