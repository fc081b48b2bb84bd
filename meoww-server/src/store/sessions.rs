//! Sessions and their refresh tokens on disk.

use meoww_proto::UserId;
use sled::Transactional;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    records::decode,
    trees::{IssuedToken, Trees, get, purge, put_session},
};
use crate::core::{
    account::Account,
    session::{Rotation, Session, SessionId, TokenDigest},
};

/// A session about to be opened.
#[derive(Clone)]
pub struct NewSession {
    /// Freshly drawn.
    pub id: SessionId,
    /// What is stored under it.
    pub session: Session,
}

/// What became of a refresh token a client presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// It was replaced; this is whose session goes on.
    Rotated(SessionId, UserId),
    /// It was spent before, so its session was ended.
    Reused,
    /// No session has it.
    Unknown,
}

impl Store {
    /// Opens a session for a user who proved a password.
    pub async fn open_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.write(move |trees| trees.open_session(&session)).await
    }

    /// Replaces a refresh token by `next`, good until `expires_at`. A spent one ends its session.
    pub async fn rotate_refresh(
        &self,
        presented: TokenDigest,
        next: TokenDigest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        self.write(move |trees| trees.rotate_refresh(presented, next, now, expires_at)).await
    }

    /// Ends the session that has or had this refresh token, if there is one.
    pub async fn end_session(&self, presented: TokenDigest) -> Result<(), StoreError> {
        self.write(move |trees| trees.end_session(presented)).await
    }

    /// The account a live session belongs to; `None` once the session has ended.
    pub async fn session_account(&self, id: SessionId) -> Result<Option<Account>, StoreError> {
        self.read(move |trees| trees.session_account(id)).await
    }

    /// When a live session ends unless it is refreshed; `None` once it has ended.
    pub async fn session_end(&self, id: SessionId) -> Result<Option<OffsetDateTime>, StoreError> {
        self.read(move |trees| trees.session_end(id)).await
    }

    /// Forgets sessions and refresh tokens that have run out.
    pub async fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.write(move |trees| trees.purge_expired(now)).await
    }
}

impl Trees {
    fn open_session(&self, session: &NewSession) -> Result<(), StoreError> {
        (&self.sessions, &self.tokens)
            .transaction(|(sessions, tokens)| put_session(sessions, tokens, session))?;
        Ok(())
    }

    fn rotate_refresh(
        &self,
        presented: TokenDigest,
        next: TokenDigest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        let refresh = (&self.sessions, &self.tokens).transaction(|(sessions, tokens)| {
            let Some(token) = get::<IssuedToken>(tokens, presented.as_bytes())? else {
                return Ok(Refresh::Unknown);
            };
            let id = token.session.as_bytes();
            let Some(session) = get::<Session>(sessions, id)? else {
                return Ok(Refresh::Unknown);
            };
            match session.rotate(presented, next, now, expires_at) {
                Rotation::Rotated(session) => {
                    let user = session.user;
                    put_session(sessions, tokens, &NewSession { id: token.session, session })?;
                    Ok(Refresh::Rotated(token.session, user))
                }
                Rotation::Reused => {
                    sessions.remove(id)?;
                    Ok(Refresh::Reused)
                }
                Rotation::Expired => {
                    sessions.remove(id)?;
                    Ok(Refresh::Unknown)
                }
            }
        })?;
        Ok(refresh)
    }

    fn end_session(&self, presented: TokenDigest) -> Result<(), StoreError> {
        (&self.sessions, &self.tokens).transaction(|(sessions, tokens)| {
            if let Some(token) = get::<IssuedToken>(tokens, presented.as_bytes())? {
                sessions.remove(token.session.as_bytes())?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn session_account(&self, id: SessionId) -> Result<Option<Account>, StoreError> {
        match self.sessions.get(id.as_bytes())? {
            Some(bytes) => self.account(decode::<Session>(&bytes)?.user),
            None => Ok(None),
        }
    }

    fn session_end(&self, id: SessionId) -> Result<Option<OffsetDateTime>, StoreError> {
        match self.sessions.get(id.as_bytes())? {
            Some(bytes) => Ok(Some(decode::<Session>(&bytes)?.expires_at)),
            None => Ok(None),
        }
    }

    fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        purge::<Session>(&self.sessions, |session| session.expires_at <= now)?;
        purge::<IssuedToken>(&self.tokens, |token| token.expires_at <= now)
    }
}
