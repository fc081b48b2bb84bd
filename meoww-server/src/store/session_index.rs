//! Sessions with their tokens and the index of them by user, within a transaction.

use meoww_proto::UserId;

use super::{
    NewSession,
    tables::{IssuedToken, Table},
    transaction::{Transaction, Tx},
};
use crate::core::session::{Session, SessionId};

/// Sessions one account may have; the one that was refreshed longest ago makes room.
const MAX_SESSIONS: usize = 100;

impl Tx<'_> {
    pub(super) fn open_session(&self, new: &NewSession) -> Transaction<()> {
        let user = new.session.user;
        let mut ids = self.session_ids(user)?;
        while ids.len() >= MAX_SESSIONS {
            let stalest = self.stalest(&ids)?;
            self.remove_session(ids.remove(stalest))?;
        }
        ids.push(new.id);
        self.put(Table::UserSessions, user.as_bytes(), &ids)?;
        self.put_session(new)
    }

    /// Stores the session under its good token; also how a rotation replaces both.
    pub(super) fn put_session(&self, NewSession { id, session }: &NewSession) -> Transaction<()> {
        self.put(Table::Sessions, id.as_bytes(), session)?;
        let token = IssuedToken { session: *id, expires_at: session.expires_at };
        self.put(Table::Tokens, session.current.as_bytes(), &token)
    }

    /// Removes a session with its tokens.
    fn remove_session(&self, id: SessionId) -> Transaction<()> {
        if let Some(session) = self.get::<Session>(Table::Sessions, id.as_bytes())? {
            for token in session.previous.into_iter().chain([session.current]) {
                self.remove(Table::Tokens, token.as_bytes())?;
            }
        }
        self.remove(Table::Sessions, id.as_bytes())
    }

    pub(super) fn session_ids(&self, user: UserId) -> Transaction<Vec<SessionId>> {
        Ok(self.get(Table::UserSessions, user.as_bytes())?.unwrap_or_default())
    }

    pub(super) fn end_session(&self, user: UserId, id: SessionId) -> Transaction<()> {
        self.remove_session(id)?;
        let mut ids = self.session_ids(user)?;
        ids.retain(|known| *known != id);
        self.put_session_ids(user, &ids)
    }

    /// Ends the sessions of a user, perhaps all but one.
    pub(super) fn end_sessions(&self, user: UserId, except: Option<SessionId>) -> Transaction<()> {
        let (kept, ended): (Vec<_>, Vec<_>) =
            self.session_ids(user)?.into_iter().partition(|id| Some(*id) == except);
        for id in ended {
            self.remove_session(id)?;
        }
        self.put_session_ids(user, &kept)
    }

    fn put_session_ids(&self, user: UserId, ids: &[SessionId]) -> Transaction<()> {
        if ids.is_empty() {
            self.remove(Table::UserSessions, user.as_bytes())
        } else {
            self.put(Table::UserSessions, user.as_bytes(), &ids)
        }
    }

    fn stalest(&self, ids: &[SessionId]) -> Transaction<usize> {
        let mut stalest = (0, None);
        for (at, id) in ids.iter().enumerate() {
            let session = self.get::<Session>(Table::Sessions, id.as_bytes())?;
            let refreshed = session.map(|session| session.refreshed_at);
            if at == 0 || refreshed < stalest.1 {
                stalest = (at, refreshed);
            }
        }
        Ok(stalest.0)
    }
}
