//! What is to be known of a user whose connection has just been opened, in one read.

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
        self.read(move |trees| {
            let blocks = trees.blocks_of(user)?;
            Ok(Arrival {
                session_end: trees.session_end(session)?,
                blocked: blocks.into_iter().map(|block| block.blocked).collect(),
            })
        })
        .await
    }
}
