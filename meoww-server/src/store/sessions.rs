//! Sessions and their refresh tokens on disk.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    trees::{Table, Trees},
};
use crate::core::{
    account::{Account, Ban},
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// It was replaced; this is whose session goes on.
    Rotated(SessionId, UserId),
    /// It was spent before, so its session was ended.
    Reused(SessionId, UserId),
    /// It came too late, so its session was ended.
    Expired(SessionId, UserId),
    /// The account is shut out; the token stays as it is.
    Banned(Ban),
    /// No session has it.
    Unknown,
}

impl Store {
    /// Opens a session for a user.
    pub async fn open_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.write(move |trees| trees.transaction(|tx| tx.open_session(&session))).await
    }

    /// Opens a session for a user who proved the password behind `proved`, a hash; `false` if the
    /// password was changed, or the account deleted, in the meantime.
    pub async fn log_in(&self, session: NewSession, proved: String) -> Result<bool, StoreError> {
        self.write(move |trees| trees.log_in(&session, &proved)).await
    }

    /// Replaces a refresh token by its successor `next`, good until `expires_at`; one that was
    /// replaced a moment ago has it already. An older one ends its session.
    pub async fn rotate_refresh(
        &self,
        presented: TokenDigest,
        next: TokenDigest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        if self.is_unknown(presented).await {
            return Ok(Refresh::Unknown);
        }
        self.write(move |trees| trees.rotate_refresh(presented, next, now, expires_at)).await
    }

    /// Ends the session that has or had this refresh token, if there is one, and says whose.
    pub async fn end_session(
        &self,
        presented: TokenDigest,
    ) -> Result<Option<(SessionId, UserId)>, StoreError> {
        if self.is_unknown(presented).await {
            return Ok(None);
        }
        self.write(move |trees| trees.end_session(presented)).await
    }

    /// Returns whether a refresh token was never issued, read outside a transaction: requests
    /// without authentication must not cost a write.
    async fn is_unknown(&self, presented: TokenDigest) -> bool {
        let known = self.look_up(|trees| trees.contains(Table::Tokens, presented.as_bytes()));
        matches!(known.await, Ok(false))
    }

    /// Ends one session of a user; `false` if the user has no such session.
    pub async fn end_session_of(&self, user: UserId, id: SessionId) -> Result<bool, StoreError> {
        self.write(move |trees| trees.end_session_of(user, id)).await
    }

    /// Ends the sessions of a user, perhaps all but one.
    pub async fn end_sessions_of(
        &self,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<(), StoreError> {
        self.write(move |trees| trees.transaction(|tx| tx.end_sessions(user, except))).await
    }

    /// The live sessions of a user, newest first.
    pub async fn sessions_of(
        &self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Vec<NewSession>, StoreError> {
        self.read(move |trees| trees.sessions_of(user, now)).await
    }

    /// The account a live session belongs to; `None` once the session has ended.
    pub async fn session_account(
        &self,
        id: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<Account>, StoreError> {
        self.look_up(|trees| trees.session_account(id, now)).await
    }

    /// When a live session ends unless it is refreshed; `None` once it has ended.
    pub async fn session_end(&self, id: SessionId) -> Result<Option<OffsetDateTime>, StoreError> {
        self.look_up(|trees| trees.session_end(id)).await
    }
}

impl Trees {
    fn log_in(&self, new: &NewSession, proved: &str) -> Result<bool, StoreError> {
        self.transaction(|tx| match tx.account(new.session.user)? {
            Some(account) if account.password_hash == proved => {
                tx.open_session(new)?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        })
    }

    fn rotate_refresh(
        &self,
        presented: TokenDigest,
        next: TokenDigest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        self.transaction(|tx| {
            let Some((id, session)) = tx.session_of_token(presented)? else {
                return Ok(Refresh::Unknown);
            };
            let user = session.user;
            match session.rotate(presented, next, now, expires_at) {
                rotation @ (Rotation::Rotated(_) | Rotation::Repeated) => {
                    let Some(account) = tx.account(user)? else {
                        return Ok(Refresh::Unknown);
                    };
                    if let Some(ban) = account.ban_in_force(now) {
                        return Ok(Refresh::Banned(ban.clone()));
                    }
                    if let Rotation::Rotated(session) = rotation {
                        tx.put_session(&NewSession { id, session })?;
                    }
                    Ok(Refresh::Rotated(id, user))
                }
                Rotation::Reused => {
                    tx.end_session(user, id)?;
                    Ok(Refresh::Reused(id, user))
                }
                Rotation::Expired => {
                    tx.end_session(user, id)?;
                    Ok(Refresh::Expired(id, user))
                }
            }
        })
    }

    fn end_session(
        &self,
        presented: TokenDigest,
    ) -> Result<Option<(SessionId, UserId)>, StoreError> {
        self.transaction(|tx| {
            let Some((id, session)) = tx.session_of_token(presented)? else { return Ok(None) };
            tx.end_session(session.user, id)?;
            Ok(Some((id, session.user)))
        })
    }

    fn end_session_of(&self, user: UserId, id: SessionId) -> Result<bool, StoreError> {
        self.transaction(|tx| {
            let is_theirs = tx.session_ids(user)?.contains(&id);
            if is_theirs {
                tx.end_session(user, id)?;
            }
            Ok(is_theirs)
        })
    }

    fn sessions_of(
        &self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Vec<NewSession>, StoreError> {
        let ids: Option<Vec<SessionId>> = self.get(Table::UserSessions, user.as_bytes())?;
        let mut live = Vec::new();
        for id in ids.unwrap_or_default() {
            let session: Option<Session> = self.get(Table::Sessions, id.as_bytes())?;
            let session = session.filter(|session| !session.is_over(now));
            live.extend(session.map(|session| NewSession { id, session }));
        }
        live.sort_by_key(|live| std::cmp::Reverse(live.session.created_at));
        Ok(live)
    }

    fn session_account(
        &self,
        id: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<Account>, StoreError> {
        match self.get::<Session>(Table::Sessions, id.as_bytes())? {
            Some(session) if !session.is_over(now) => self.account(session.user),
            Some(_) | None => Ok(None),
        }
    }

    pub(super) fn session_end(&self, id: SessionId) -> Result<Option<OffsetDateTime>, StoreError> {
        let session: Option<Session> = self.get(Table::Sessions, id.as_bytes())?;
        Ok(session.map(|session| session.expires_at))
    }
}
