//! What is to be known of a user whose connection has just been opened.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::core::session::SessionId;

/// How things stand for a user who connects.
pub(crate) struct Arrival {
    /// When the session ends unless it is refreshed; `None` if it has ended.
    pub(crate) session_end: Option<OffsetDateTime>,
    /// Whom the user is never to meet.
    pub(crate) blocked: Vec<UserId>,
}

impl Store {
    /// How things stand for a user who connects under a session.
    pub(crate) async fn arrival(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Arrival, StoreError> {
        let (session_end, blocks_somebody) = self
            .look_up(move |tables| {
                Ok((tables.session_end(session)?, tables.blocks_somebody(user)?))
            })
            .await?;
        let blocks = if blocks_somebody { self.blocks_of(user).await? } else { Vec::new() };
        let blocked = blocks.into_iter().map(|block| block.blocked).collect();
        Ok(Arrival { session_end, blocked })
    }
}
