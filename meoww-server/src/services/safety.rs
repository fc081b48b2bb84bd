//! What users decide about one another.

use std::sync::Arc;

use meoww_proto::{RoomId, UserId};

use super::Services;
use crate::{
    clock,
    core::{
        recent_partners::Encounter,
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

impl Services {
    /// Keeps a user for ever from meeting whom it met there; a room of the two is over.
    pub(crate) async fn block(
        self: &Arc<Self>,
        user: UserId,
        met: &Encounter,
    ) -> Result<(), StoreError> {
        let &Encounter { room, stranger: blocked, .. } = met;
        let block = Block { room, blocked, since: clock::now() };
        self.finish(async move |services: Arc<Self>| services.hub.block(user, block).await).await
    }

    /// Takes back the block made in this room; `false` if there is none.
    pub(crate) async fn unblock(
        self: &Arc<Self>,
        user: UserId,
        room: RoomId,
    ) -> Result<bool, StoreError> {
        self.finish(async move |services: Arc<Self>| services.hub.unblock(user, room).await).await
    }

    /// Tells the operators about whom a user met there.
    pub(crate) async fn file_report(
        &self,
        user: UserId,
        met: &Encounter,
        reason: String,
    ) -> Result<(), Unfiled> {
        let filed_at = clock::now();
        let id = ReportId::generate(filed_at, &mut rand::rng());
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
