//! What users decide about one another: on disk first, then in the lobby.

use meoww_proto::{RoomId, UserId};

use super::HubHandle;
use crate::{
    clock,
    core::{
        encounters::Encounter,
        lobby::Input,
        safety::{Block, Report, ReportId},
    },
    store::{Filing, StoreError},
};

/// Why a report was not filed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfiled {
    /// The reporter has filed too many.
    #[error("too many reports")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HubHandle {
    /// Keeps a user for ever from meeting whom it met there; a room of the two is over.
    pub(crate) async fn block(&self, user: UserId, met: &Encounter) -> Result<(), StoreError> {
        let &Encounter { room, stranger: blocked, .. } = met;
        self.store.add_block(user, Block { room, blocked, since: clock::now() }).await?;
        self.report(Input::Block { user, blocked }).await;
        Ok(())
    }

    /// Takes back the block made in this room; `false` if there is none.
    pub(crate) async fn unblock(&self, user: UserId, room: RoomId) -> Result<bool, StoreError> {
        let Some(blocked) = self.store.remove_block(user, room).await? else { return Ok(false) };
        self.report(Input::Unblock { user, blocked }).await;
        Ok(true)
    }

    /// Tells the operators about whom a user met there.
    pub(crate) async fn file_report(
        &self,
        user: UserId,
        met: &Encounter,
        reason: String,
    ) -> Result<(), Unfiled> {
        let filed_at = clock::now();
        let id = ReportId::draw(filed_at, &mut rand::rng());
        let report = Report {
            room: met.room,
            reporter: Some(user),
            reported: Some(met.stranger),
            reason,
            lines: met.transcript.lines(),
            filed_at,
            resolution: None,
        };
        match self.store.file_report(id, report).await? {
            Filing::Filed => Ok(()),
            Filing::TooMany => Err(Unfiled::TooMany),
        }
    }
}
