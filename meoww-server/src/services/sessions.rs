//! Sessions: opened, refreshed and ended. The sockets of a session end with it.

use std::sync::Arc;

use meoww_proto::{UserId, error::SignalErrorCode};
use time::OffsetDateTime;

use super::{Refusal, Services};
use crate::{
    clock,
    core::session::{ClientName, RefreshToken, Session, SessionId, TokenDigest},
    hub::ConnectionSelector,
    store::{NewSession, Refresh, StoreError},
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

impl Services {
    /// Draws a session that begins now.
    pub(crate) fn generate_session(
        &self,
        user: UserId,
        client: ClientName,
        now: OffsetDateTime,
    ) -> Opening {
        let mut rng = rand::rng();
        let id = SessionId::generate(&mut rng);
        Opening {
            id,
            user,
            client,
            opened_at: now,
            expires_at: now + self.config.refresh_lifetime,
            refresh: RefreshToken::issue(id, &self.otp_key, &mut rng),
        }
    }

    /// Spends a refresh token for its successor. A session whose token was spent before, or that
    /// expired, is over, and so are its sockets.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        presented: &str,
    ) -> Result<Option<(Refresh, RefreshToken)>, Refusal> {
        let Some(session) = self.session_of(presented).await? else { return Ok(None) };
        let limiter = &self.rate_limiters.session_refresh;
        let counted = limiter.admit(session).await?;
        let successor = RefreshToken::successor(presented, session, &self.otp_key);
        let tokens = (TokenDigest::of(presented), successor.digest());
        let refresh = self.rotate(session, tokens).await;
        if refresh.is_err() {
            limiter.forgive(counted).await;
        }
        Ok(Some((refresh?, successor)))
    }

    /// Returns the live session that a refresh token is or was of. Reads only: requests without
    /// authentication must not cost a write.
    async fn session_of(&self, presented: &str) -> Result<Option<SessionId>, StoreError> {
        let session = match RefreshToken::session(presented, &self.otp_key) {
            Some(session) => Some(session),
            None => self.store.session_of_token(TokenDigest::of(presented)).await?,
        };
        let Some(session) = session else { return Ok(None) };
        Ok(self.store.session_end(session).await?.map(|_| session))
    }

    async fn rotate(
        self: &Arc<Self>,
        session: SessionId,
        tokens: (TokenDigest, TokenDigest),
    ) -> Result<Refresh, StoreError> {
        self.finish(async move |services: Arc<Self>| {
            let now = clock::now();
            let expires_at = now + services.config.refresh_lifetime;
            let refresh = services.store.rotate_refresh(session, tokens, now, expires_at).await?;
            match refresh {
                Refresh::Reused(session, user) => {
                    tracing::warn!(%user, "a spent refresh token was presented; its session was ended");
                    services.close_session(user, session).await;
                }
                Refresh::Expired(session, user) => services.close_session(user, session).await,
                Refresh::Rotated(..) | Refresh::Banned(_) | Refresh::Unknown => {}
            }
            Ok(refresh)
        })
        .await
    }

    /// Ends the session that has or had this refresh token, if any does.
    pub(crate) async fn log_out(self: &Arc<Self>, presented: &str) -> Result<(), StoreError> {
        let Some(session) = self.session_of(presented).await? else { return Ok(()) };
        self.finish(async move |services: Arc<Self>| {
            if let Some(user) = services.store.end_session(session).await? {
                services.close_session(user, session).await;
            }
            Ok(())
        })
        .await
    }

    /// Ends one session of a user; `false` if there is no such session.
    pub(crate) async fn end_session(
        self: &Arc<Self>,
        user: UserId,
        session: SessionId,
    ) -> Result<bool, StoreError> {
        self.finish(async move |services: Arc<Self>| {
            let ended = services.store.end_session_of(user, session).await?;
            if ended {
                services.close_session(user, session).await;
            }
            Ok(ended)
        })
        .await
    }

    /// Ends all sessions of a user but one.
    pub(crate) async fn end_other_sessions(
        self: &Arc<Self>,
        kept: Bearer,
    ) -> Result<(), StoreError> {
        self.finish(async move |services: Arc<Self>| {
            services.store.end_sessions_of(kept.user, Some(kept.session)).await?;
            services.close(ConnectionSelector::OtherSessions(kept)).await;
            Ok(())
        })
        .await
    }

    /// Ends all sessions of a user.
    pub(crate) async fn end_sessions(self: &Arc<Self>, user: UserId) -> Result<(), StoreError> {
        self.finish(async move |services: Arc<Self>| {
            services.store.end_sessions_of(user, None).await?;
            services.close(ConnectionSelector::User(user)).await;
            Ok(())
        })
        .await
    }

    async fn close_session(&self, user: UserId, session: SessionId) {
        self.close(ConnectionSelector::Session(Bearer { user, session })).await;
    }

    /// Closes sockets whose session is over.
    pub(super) async fn close(&self, selector: ConnectionSelector) {
        self.hub.close(selector, SignalErrorCode::SessionEnded).await;
    }
}
