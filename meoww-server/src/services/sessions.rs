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
        self.rate_limiters.session_refresh.admit(session)?;
        let successor = RefreshToken::successor(presented, session, &self.otp_key);
        let tokens = (TokenDigest::of(presented), successor.digest());
        let refresh = self.rotate(session, tokens).await?;
        Ok(Some((refresh, successor)))
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

    /// Closes sockets of sessions that end on other nodes; runs as long as the server does.
    pub(crate) async fn heed_revocations(&self) {
        while let Some(user) = self.hub.next_revoked().await {
            if let Err(error) = self.close_revoked(user).await {
                tracing::error!(%error, "could not look up whose sessions ended on another node");
            }
        }
    }

    async fn close_revoked(&self, user: UserId) -> Result<(), StoreError> {
        let now = clock::now();
        let account = self.store.account(user).await?;
        let is_banned = account.is_some_and(|account| account.ban_in_force(now).is_some());
        let reason =
            if is_banned { SignalErrorCode::Banned } else { SignalErrorCode::SessionEnded };
        let live = if is_banned { Vec::new() } else { self.store.sessions_of(user, now).await? };
        let live = live.iter().map(|session| session.id).collect();
        self.hub.close_all_but(user, live, reason).await;
        Ok(())
    }

    async fn close_session(&self, user: UserId, session: SessionId) {
        self.close(ConnectionSelector::Session(Bearer { user, session })).await;
    }

    /// Closes sockets whose session is over.
    pub(super) async fn close(&self, selector: ConnectionSelector) {
        self.hub.close(selector, SignalErrorCode::SessionEnded).await;
    }
}
