//! Forgetting what has run out.

use meoww_proto::UserId;
use sled::Transactional;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    records::decode,
    session_trees::SessionTrees,
    trees::{IssuedToken, Trees, get, purge},
};
use crate::core::{
    otp::Challenge,
    session::{Session, SessionId},
};

impl Store {
    /// Forgets sessions, refresh tokens and codes that have run out, and says whose sessions.
    pub async fn purge_expired(
        &self,
        now: OffsetDateTime,
    ) -> Result<Vec<(SessionId, UserId)>, StoreError> {
        self.write(move |trees| trees.purge_expired(now)).await
    }
}

impl Trees {
    fn purge_expired(&self, now: OffsetDateTime) -> Result<Vec<(SessionId, UserId)>, StoreError> {
        let mut ended = Vec::new();
        for entry in &self.sessions {
            let (key, bytes) = entry?;
            let session: Session = decode(&bytes)?;
            if session.is_over(now)
                && let Some(id) = SessionId::from_slice(&key)
                && self.end_session_if_over(session.user, id, now)?
            {
                ended.push((id, session.user));
            }
        }
        purge::<IssuedToken>(&self.tokens, |token| token.expires_at <= now)?;
        purge::<Challenge>(&self.resets, |challenge| challenge.is_expired(now))?;
        self.purge_address_changes(now)?;
        Ok(ended)
    }

    /// It may have been refreshed since it was looked at.
    fn end_session_if_over(
        &self,
        user: UserId,
        id: SessionId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let trees = (&self.sessions, &self.user_sessions, &self.tokens);
        let ended = trees.transaction(|(sessions, by_user, tokens)| {
            let session = get::<Session>(sessions, id.as_bytes())?;
            let is_over = session.is_some_and(|session| session.is_over(now));
            if is_over {
                SessionTrees { sessions, by_user, tokens }.end(user, id)?;
            }
            Ok(is_over)
        })?;
        Ok(ended)
    }
}
