//! What is to be known of a user whose connection has just been opened.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::core::{safety::BlockList, session::SessionId};

/// How things stand for a user who connects.
pub(crate) struct Arrival {
    /// When the session ends unless it is refreshed; `None` if it has ended.
    pub(crate) session_end: Option<OffsetDateTime>,
    /// Whom the user is never to meet.
    pub(crate) blocks: BlockList,
}

impl Store {
    /// How things stand for a user who connects under a session.
    pub(crate) async fn arrival(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Arrival, StoreError> {
        let (session_end, version, blocks_somebody) = self
            .look_up(move |tables| {
                let session_end = tables.session_end(session)?;
                let version = tables.blocks_version(user)?;
                Ok((session_end, version, tables.blocks_somebody(user)?))
            })
            .await?;
        let blocks = match blocks_somebody {
            true => self.block_list(user).await?,
            false => BlockList { version, ..BlockList::default() },
        };
        Ok(Arrival { session_end, blocks })
    }
}
