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
    /// Forgets sessions, refresh tokens and codes that have run out.
    pub async fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.write(move |trees| trees.purge_expired(now)).await
    }
}

impl Trees {
    fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        for entry in &self.sessions {
            let (key, bytes) = entry?;
            let session: Session = decode(&bytes)?;
            if let Some(id) = SessionId::from_slice(&key).filter(|_| session.is_over(now)) {
                self.end_session_if_over(session.user, id, now)?;
            }
        }
        purge::<IssuedToken>(&self.tokens, |token| token.expires_at <= now)?;
        purge::<Challenge>(&self.resets, |challenge| challenge.is_expired(now))?;
        self.purge_address_changes(now)
    }

    /// It may have been refreshed since it was looked at.
    fn end_session_if_over(
        &self,
        user: UserId,
        id: SessionId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let trees = (&self.sessions, &self.user_sessions, &self.tokens);
        trees.transaction(|(sessions, by_user, tokens)| {
            let session = get::<Session>(sessions, id.as_bytes())?;
            if session.is_some_and(|session| session.is_over(now)) {
                SessionTrees { sessions, by_user, tokens }.end(user, id)?;
            }
            Ok(())
        })?;
        Ok(())
    }
}
