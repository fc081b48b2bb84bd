//! Sessions and their refresh tokens on disk.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    tables::{IssuedToken, Table, Tables},
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
        self.write(move |tables| tables.transaction(|tx| tx.open_session(&session))).await
    }

    /// Opens a session for a user who proved the password behind `proved`, a hash; `false` if the
    /// password was changed, or the account deleted, in the meantime.
    pub async fn log_in(&self, session: NewSession, proved: String) -> Result<bool, StoreError> {
        self.write(move |tables| tables.log_in(&session, &proved)).await
    }

    /// Replaces the refresh token of a session by its successor `next`, good until `expires_at`; one
    /// that was replaced a moment ago has it already. Any other token that the session had ends it.
    pub async fn rotate_refresh(
        &self,
        id: SessionId,
        (presented, next): (TokenDigest, TokenDigest),
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        self.write(move |tables| tables.rotate_refresh(id, (presented, next), now, expires_at))
            .await
    }

    /// Ends a session, if there is one, and says whose.
    pub async fn end_session(&self, id: SessionId) -> Result<Option<UserId>, StoreError> {
        self.write(move |tables| tables.end_session(id)).await
    }

    /// The session whose present or last refresh token this is, and of earlier versions any one.
    pub async fn session_of_token(
        &self,
        presented: TokenDigest,
    ) -> Result<Option<SessionId>, StoreError> {
        let issued = self
            .look_up(move |tables| tables.get::<IssuedToken>(Table::Tokens, presented.as_bytes()))
            .await?;
        Ok(issued.map(|issued| issued.session))
    }

    /// Ends one session of a user; `false` if the user has no such session.
    pub async fn end_session_of(&self, user: UserId, id: SessionId) -> Result<bool, StoreError> {
        self.write(move |tables| tables.end_session_of(user, id)).await
    }

    /// Ends the sessions of a user, perhaps all but one.
    pub async fn end_sessions_of(
        &self,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<(), StoreError> {
        self.write(move |tables| tables.transaction(|tx| tx.end_sessions(user, except))).await
    }

    /// The live sessions of a user, newest first.
    pub async fn sessions_of(
        &self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Vec<NewSession>, StoreError> {
        self.read(move |tables| tables.sessions_of(user, now)).await
    }

    /// The account a live session belongs to; `None` once the session has ended.
    pub async fn session_account(
        &self,
        id: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<Account>, StoreError> {
        self.look_up(move |tables| tables.session_account(id, now)).await
    }

    /// When a live session ends unless it is refreshed; `None` once it has ended.
    pub async fn session_end(&self, id: SessionId) -> Result<Option<OffsetDateTime>, StoreError> {
        self.look_up(move |tables| tables.session_end(id)).await
    }
}

impl Tables {
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
        id: SessionId,
        (presented, next): (TokenDigest, TokenDigest),
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        self.transaction(|tx| {
            let Some(session) = tx.get::<Session>(Table::Sessions, id.as_bytes())? else {
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
                    if let Rotation::Rotated(next) = rotation {
                        // Its mark shows whose it was, if it comes back.
                        if let Some(spent) = session.previous {
                            tx.remove(Table::Tokens, spent.as_bytes())?;
                        }
                        let session = next;
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

    fn end_session(&self, id: SessionId) -> Result<Option<UserId>, StoreError> {
        self.transaction(|tx| {
            let session = tx.get::<Session>(Table::Sessions, id.as_bytes())?;
            let user = session.map(|session| session.user);
            if let Some(user) = user {
                tx.end_session(user, id)?;
            }
            Ok(user)
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
