//! Sessions: logging in, refreshing, logging out.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use axum_extra::extract::CookieJar;
use meoww_proto::{
    UserId,
    account::{self, Done, LoginRequest, REFRESH_COOKIE, SessionInfo, Sessions},
    error::SignalErrorCode,
};
use time::OffsetDateTime;

use super::{
    auth::{self, Authenticated},
    body::Body,
    client::Agent,
    cookies,
    error::Refusal,
};
use crate::{
    app::App,
    clock,
    core::{
        account::{Email, rfc3339_millis},
        session::{ClientName, RefreshToken, Session, SessionId, TokenDigest},
    },
    hashing,
    hub::Whose,
    store::{NewSession, Refresh},
    tokens::Bearer,
};

/// A session drawn for a user and not yet stored.
pub(crate) struct Opening {
    id: SessionId,
    user: UserId,
    client: ClientName,
    opened_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    pub(crate) refresh: RefreshToken,
}

impl Opening {
    pub(crate) fn draw(app: &App, user: UserId, client: ClientName, now: OffsetDateTime) -> Self {
        let mut rng = rand::rng();
        Self {
            id: SessionId::draw(&mut rng),
            user,
            client,
            opened_at: now,
            expires_at: now + app.config.refresh_lifetime,
            refresh: RefreshToken::draw(&mut rng),
        }
    }

    /// What is stored of it.
    pub(crate) fn record(&self) -> NewSession {
        let current = self.refresh.digest();
        let client = self.client.clone();
        let session = Session::open(self.user, current, client, self.opened_at, self.expires_at);
        NewSession { id: self.id, session }
    }

    /// Whom its access tokens speak for.
    pub(crate) fn bearer(&self) -> Bearer {
        Bearer { user: self.user, session: self.id }
    }
}

/// `POST /api/auth/login`.
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    Agent(client): Agent,
    body: Result<Body<LoginRequest>, Refusal>,
) -> Result<(CookieJar, Json<account::Session>), Refusal> {
    let Body(LoginRequest { email, password }) = body?;
    let email = Email::parse(&email).map_err(|_| Refusal::InvalidCredentials)?;
    let account = app.store.account_by_email(email.clone()).await?;
    let is_outdated =
        account.as_ref().is_some_and(|a| hashing::bcrypt_cost(&a.password_hash).is_some());
    let again = is_outdated.then(|| password.clone());
    let right = auth::is_password_of(&app, account.as_ref(), &email, password).await?;
    let account = account.filter(|_| right).ok_or(Refusal::InvalidCredentials)?;
    if !account.is_verified {
        return Err(Refusal::EmailNotVerified(account.id));
    }
    let now = clock::now();
    if let Some(ban) = account.ban_in_force(now) {
        return Err(Refusal::Banned(ban.clone()));
    }
    let opening = Opening::draw(&app, account.id, client, now);
    if !app.store.log_in(opening.record(), account.password_hash.clone()).await? {
        return Err(Refusal::InvalidCredentials);
    }
    if let Some(password) = again {
        app.renew_hash(&account, password).await;
    }
    let jar = cookies::set(&app, opening.bearer(), &opening.refresh, now);
    Ok((jar, Json(account::Session { user: app.user(&account) })))
}

/// `POST /api/auth/refresh`.
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    jar: CookieJar,
) -> Result<(CookieJar, Json<Done>), Refusal> {
    const EXPIRED: Refusal = Refusal::Unauthenticated("Session expired. Please login again.");
    let presented = TokenDigest::of(jar.get(REFRESH_COOKIE).ok_or(EXPIRED)?.value());
    let now = clock::now();
    let next = RefreshToken::draw(&mut rand::rng());
    let expires_at = now + app.config.refresh_lifetime;
    match app.store.rotate_refresh(presented, next.digest(), now, expires_at).await? {
        Refresh::Rotated(session, user) => {
            let jar = cookies::set(&app, Bearer { user, session }, &next, now);
            Ok((jar, Json(Done { message: "Token refreshed".into() })))
        }
        Refresh::Reused(session, user) => {
            tracing::warn!(%user, "a spent refresh token was presented; its session was ended");
            close(&app, session, user).await;
            Err(EXPIRED)
        }
        Refresh::Expired(session, user) => {
            close(&app, session, user).await;
            Err(EXPIRED)
        }
        Refresh::Banned(ban) => Err(Refusal::Banned(ban)),
        Refresh::Unknown => Err(EXPIRED),
    }
}

/// `POST /api/auth/logout`. Goes by the refresh token, so that it works when the access token has
/// expired, and clears the cookies whatever they held.
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    jar: CookieJar,
) -> Result<(CookieJar, Json<Done>), Refusal> {
    if let Some(cookie) = jar.get(REFRESH_COOKIE) {
        let ended = app.store.end_session(TokenDigest::of(cookie.value())).await?;
        if let Some((session, user)) = ended {
            close(&app, session, user).await;
        }
    }
    Ok((cookies::clear(&app), Json(Done { message: "Logged out successfully".into() })))
}

/// `GET /api/auth/sessions`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Authenticated { bearer, .. }: Authenticated,
) -> Result<Json<Sessions>, Refusal> {
    Ok(Json(Sessions { sessions: infos(&app, bearer).await? }))
}

/// The live sessions of who asks.
pub(crate) async fn infos(app: &App, bearer: Bearer) -> Result<Vec<SessionInfo>, Refusal> {
    let live = app.store.sessions_of(bearer.user, clock::now()).await?;
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
    State(app): State<Arc<App>>,
    Authenticated { bearer, .. }: Authenticated,
) -> Result<Json<Done>, Refusal> {
    app.store.end_sessions_of(bearer.user, Some(bearer.session)).await?;
    app.hub.close(Whose::OtherSessions(bearer), SignalErrorCode::SessionEnded).await;
    Ok(Json(Done { message: "All other sessions were ended".into() }))
}

/// `DELETE /api/auth/sessions/{id}`. Ending one's own is a logout.
pub(crate) async fn end_one(
    State(app): State<Arc<App>>,
    Authenticated { bearer, .. }: Authenticated,
    id: Result<Path<SessionId>, PathRejection>,
) -> Result<(Option<CookieJar>, Json<Done>), Refusal> {
    let Path(id) = id.map_err(|_| Refusal::NotFound)?;
    if !app.store.end_session_of(bearer.user, id).await? {
        return Err(Refusal::NotFound);
    }
    close(&app, id, bearer.user).await;
    let jar = (id == bearer.session).then(|| cookies::clear(&app));
    Ok((jar, Json(Done { message: "The session was ended".into() })))
}

async fn close(app: &App, session: SessionId, user: UserId) {
    let whose = Whose::Session(Bearer { user, session });
    app.hub.close(whose, SignalErrorCode::SessionEnded).await;
}
