//! The three trees a session is in, within a transaction.

use std::collections::HashMap;

use meoww_proto::UserId;
use sled::transaction::TransactionalTree;

use super::{
    NewSession, StoreError,
    records::{decode, encode},
    trees::{IssuedToken, Transaction, Trees, get},
};
use crate::core::session::{Session, SessionId, TokenDigest};

/// Sessions one account may have; the one that was refreshed longest ago makes room.
const MAX_SESSIONS: usize = 100;

/// Entry of the default tree that says the index of sessions by user is whole.
const INDEXED: &str = "sessions are indexed by user";

pub(super) struct SessionTrees<'a> {
    pub(super) sessions: &'a TransactionalTree,
    pub(super) by_user: &'a TransactionalTree,
    pub(super) tokens: &'a TransactionalTree,
}

impl SessionTrees<'_> {
    pub(super) fn open(&self, new: &NewSession) -> Transaction<()> {
        let user = new.session.user;
        let mut ids = self.ids_of(user)?;
        while ids.len() >= MAX_SESSIONS {
            let stalest = self.stalest(&ids)?;
            self.sessions.remove(ids.remove(stalest).as_bytes())?;
        }
        ids.push(new.id);
        self.by_user.insert(user.as_bytes(), encode(&ids))?;
        self.put(new)
    }

    /// Stores the session under its good token; also how a rotation replaces both.
    pub(super) fn put(&self, NewSession { id, session }: &NewSession) -> Transaction<()> {
        self.sessions.insert(id.as_bytes(), encode(session))?;
        let token = IssuedToken { session: *id, expires_at: session.expires_at };
        self.tokens.insert(session.current.as_bytes(), encode(&token))?;
        Ok(())
    }

    /// The session that has or had this refresh token.
    pub(super) fn of_token(
        &self,
        presented: TokenDigest,
    ) -> Transaction<Option<(SessionId, Session)>> {
        let Some(token) = get::<IssuedToken>(self.tokens, presented.as_bytes())? else {
            return Ok(None);
        };
        let session = get::<Session>(self.sessions, token.session.as_bytes())?;
        Ok(session.map(|session| (token.session, session)))
    }

    pub(super) fn ids_of(&self, user: UserId) -> Transaction<Vec<SessionId>> {
        Ok(get(self.by_user, user.as_bytes())?.unwrap_or_default())
    }

    pub(super) fn end(&self, user: UserId, id: SessionId) -> Transaction<()> {
        self.sessions.remove(id.as_bytes())?;
        let mut ids = self.ids_of(user)?;
        ids.retain(|known| *known != id);
        self.keep(user, &ids)
    }

    pub(super) fn end_all(&self, user: UserId, except: Option<SessionId>) -> Transaction<()> {
        let (kept, ended): (Vec<_>, Vec<_>) =
            self.ids_of(user)?.into_iter().partition(|id| Some(*id) == except);
        for id in ended {
            self.sessions.remove(id.as_bytes())?;
        }
        self.keep(user, &kept)
    }

    fn keep(&self, user: UserId, ids: &[SessionId]) -> Transaction<()> {
        if ids.is_empty() {
            self.by_user.remove(user.as_bytes())?;
        } else {
            self.by_user.insert(user.as_bytes(), encode(&ids))?;
        }
        Ok(())
    }

    fn stalest(&self, ids: &[SessionId]) -> Transaction<usize> {
        let mut stalest = (0, None);
        for (at, id) in ids.iter().enumerate() {
            let session = get::<Session>(self.sessions, id.as_bytes())?;
            let refreshed = session.map(|session| session.refreshed_at);
            if at == 0 || refreshed < stalest.1 {
                stalest = (at, refreshed);
            }
        }
        Ok(stalest.0)
    }
}

impl Trees {
    /// Once, for a database of before there was an index, or one whose sessions were put there
    /// without. Cut short, it begins again.
    pub(super) fn index_sessions(&self, db: &sled::Db) -> Result<(), StoreError> {
        let is_kept = self.user_sessions.is_empty() == self.sessions.is_empty();
        if is_kept && db.contains_key(INDEXED)? {
            return Ok(());
        }
        db.remove(INDEXED)?;
        let mut by_user: HashMap<UserId, Vec<SessionId>> = HashMap::new();
        for entry in &self.sessions {
            let (key, bytes) = entry?;
            let user = decode::<Session>(&bytes)?.user;
            by_user.entry(user).or_default().extend(SessionId::from_slice(&key));
        }
        for (user, ids) in by_user {
            self.user_sessions.insert(user.as_bytes(), encode(&ids))?;
        }
        db.insert(INDEXED, &[])?;
        Ok(())
    }
}
