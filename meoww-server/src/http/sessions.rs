//! Sessions: logging in, refreshing, logging out.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{ConnectInfo, State},
};
use axum_extra::extract::CookieJar;
use meoww_proto::{
    UserId,
    account::{self, Done, LoginRequest, REFRESH_COOKIE},
};
use time::OffsetDateTime;

use super::{body::Body, cookies, error::Refusal};
use crate::{
    app::App,
    clock,
    core::{
        account::Email,
        session::{RefreshToken, Session, SessionId, TokenDigest},
    },
    store::{NewSession, Refresh},
    tokens::Bearer,
};

/// A session drawn for a user and not yet stored.
pub(crate) struct Opening {
    id: SessionId,
    user: UserId,
    expires_at: OffsetDateTime,
    pub(crate) refresh: RefreshToken,
}

impl Opening {
    pub(crate) fn draw(app: &App, user: UserId, now: OffsetDateTime) -> Self {
        let mut rng = rand::rng();
        Self {
            id: SessionId::draw(&mut rng),
            user,
            expires_at: now + app.config.refresh_lifetime,
            refresh: RefreshToken::draw(&mut rng),
        }
    }

    /// What is stored of it.
    pub(crate) fn record(&self) -> NewSession {
        let current = self.refresh.digest();
        let session = Session { user: self.user, current, expires_at: self.expires_at };
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
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    body: Result<Body<LoginRequest>, Refusal>,
) -> Result<(CookieJar, Json<account::Session>), Refusal> {
    app.gates.login.admit(client)?;
    let Body(LoginRequest { email, password }) = body?;
    let account = match Email::parse(&email) {
        Ok(email) => app.store.account_by_email(email).await?,
        Err(_) => None,
    };
    let expected = account.as_ref().map(|account| account.password_hash.clone());
    let right = app.hasher.verify(password, expected).await?;
    let account = account.filter(|_| right).ok_or(Refusal::InvalidCredentials)?;
    if !account.is_verified {
        return Err(Refusal::EmailNotVerified(account.id));
    }
    let now = clock::now();
    let opening = Opening::draw(&app, account.id, now);
    app.store.open_session(opening.record()).await?;
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
        Refresh::Reused => {
            tracing::warn!("a spent refresh token was presented; its session was ended");
            Err(EXPIRED)
        }
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
        app.store.end_session(TokenDigest::of(cookie.value())).await?;
    }
    Ok((cookies::clear(&app), Json(Done { message: "Logged out successfully".into() })))
}
