//! Sessions: logging in, refreshing, logging out.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
};
use axum_extra::extract::CookieJar;
use meoww_proto::account::{self, Done, LoginRequest, REFRESH_COOKIE, SessionInfo, Sessions};

use super::{
    auth::{self, Authenticated},
    body::Body,
    client::Agent,
    cookies,
    device::Device,
    error::Refusal,
};
use crate::{
    bearer, clock,
    core::{
        account::{Email, rfc3339_millis},
        session::SessionId,
    },
    hashing,
    services::Services,
    store::{NewSession, Refresh},
    tokens::Bearer,
};

/// `POST /api/auth/login`.
pub(crate) async fn login(
    State(services): State<Arc<Services>>,
    Agent(client): Agent,
    device: Device,
    body: Result<Body<LoginRequest>, Refusal>,
) -> Result<(CookieJar, Json<account::Session>), Refusal> {
    let Body(LoginRequest { email, password }) = body?;
    let email = Email::parse(&email).map_err(|_| Refusal::InvalidCredentials)?;
    let account = services.store.account_by_email(email.clone()).await?;
    let is_outdated =
        account.as_ref().is_some_and(|a| hashing::bcrypt_cost(&a.password_hash).is_some());
    let again = is_outdated.then(|| password.clone());
    let guesser = device.guesser(&email);
    let right =
        auth::is_password_of(&services, account.as_ref(), &email, guesser, password).await?;
    let mut account = account.filter(|_| right).ok_or(Refusal::InvalidCredentials)?;
    if !account.is_verified {
        return Err(Refusal::EmailNotVerified(account.id));
    }
    let now = clock::now();
    if let Some(ban) = account.ban_in_force(now) {
        return Err(Refusal::Banned(ban.clone()));
    }
    let opening = services.generate_session(account.id, client, now);
    if !services.store.log_in(opening.record(), account.password_hash.clone()).await? {
        return Err(Refusal::InvalidCredentials);
    }
    if let Some(password) = again {
        services.rehash_password(&mut account, password).await;
    }
    let jar = cookies::set(&services, opening.bearer(), &opening.refresh, now);
    let jar = cookies::remember_device(&services, jar, account.id, &account.password_hash);
    Ok((jar, Json(account::Session { user: services.user(&account) })))
}

/// `POST /api/auth/refresh`.
pub(crate) async fn refresh(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
) -> Result<(CookieJar, Json<Done>), Refusal> {
    const EXPIRED: Refusal = Refusal::Unauthenticated("Session expired. Please login again.");
    let presented = bearer::cookie(&headers, REFRESH_COOKIE).ok_or(EXPIRED)?;
    let (refresh, next) = services.refresh(&presented).await?.ok_or(EXPIRED)?;
    match refresh {
        Refresh::Rotated(session, user) => {
            let jar = cookies::set(&services, Bearer { user, session }, &next, clock::now());
            Ok((jar, Json(Done { message: "Token refreshed".into() })))
        }
        Refresh::Banned(ban) => Err(Refusal::Banned(ban)),
        Refresh::Reused(..) | Refresh::Expired(..) | Refresh::Unknown => Err(EXPIRED),
    }
}

/// `POST /api/auth/logout`. Goes by the refresh token, so that it works when the access token has
/// expired, and clears the cookies whatever they held.
pub(crate) async fn logout(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
) -> Result<(CookieJar, Json<Done>), Refusal> {
    if let Some(token) = bearer::cookie(&headers, REFRESH_COOKIE) {
        services.log_out(&token).await?;
    }
    Ok((cookies::clear(&services), Json(Done { message: "Logged out successfully".into() })))
}

/// `GET /api/auth/sessions`.
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Authenticated { bearer, .. }: Authenticated,
) -> Result<Json<Sessions>, Refusal> {
    Ok(Json(Sessions { sessions: infos(&services, bearer).await? }))
}

/// The live sessions of who asks.
pub(crate) async fn infos(
    services: &Services,
    bearer: Bearer,
) -> Result<Vec<SessionInfo>, Refusal> {
    let live = services.store.sessions_of(bearer.user, clock::now()).await?;
    let info = |NewSession { id, session }: NewSession| SessionInfo {
        id: id.to_string(),
        created_at: rfc3339_millis(session.created_at),
        refreshed_at: rfc3339_millis(session.refreshed_at),
        expires_at: rfc3339_millis(session.expires_at),
        client: session.client.as_str().to_owned(),
        current: id == bearer.session,
    };
    Ok(live.into_iter().map(info).collect())
}

/// `DELETE /api/auth/sessions`.
pub(crate) async fn end_others(
    State(services): State<Arc<Services>>,
    Authenticated { bearer, .. }: Authenticated,
) -> Result<Json<Done>, Refusal> {
    services.end_other_sessions(bearer).await?;
    Ok(Json(Done { message: "All other sessions were ended".into() }))
}

/// `DELETE /api/auth/sessions/{id}`. Ending one's own is a logout.
pub(crate) async fn end_one(
    State(services): State<Arc<Services>>,
    Authenticated { bearer, .. }: Authenticated,
    id: Result<Path<SessionId>, PathRejection>,
) -> Result<(Option<CookieJar>, Json<Done>), Refusal> {
    let Path(id) = id.map_err(|_| Refusal::NotFound)?;
    if !services.end_session(bearer.user, id).await? {
        return Err(Refusal::NotFound);
    }
    let jar = (id == bearer.session).then(|| cookies::clear(&services));
    Ok((jar, Json(Done { message: "The session was ended".into() })))
}
