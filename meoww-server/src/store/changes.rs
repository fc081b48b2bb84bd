//! Changes by other servers that this one must hear of: a trigger of the database leaves a row for each,
//! in the same transaction, also for those made in SQL.

use std::collections::BTreeSet;

use meoww_proto::UserId;

use super::{Store, StoreError, engine::Engine};

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UserChange {
    /// A session of this user ended.
    Session(UserId),
    /// The blocks of this user.
    Blocks(UserId),
}

impl UserChange {
    /// Returns the user.
    pub(crate) fn user(self) -> UserId {
        match self {
            Self::Session(user) | Self::Blocks(user) => user,
        }
    }
}

/// How far a server has read.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Transactions below this one had ended when it was read last, and all their rows were seen.
    pub(super) first_open: u64,
    /// The rows of others that were seen.
    pub(super) seen: BTreeSet<i64>,
}

impl Store {
    /// Returns where to read on from: all later changes.
    pub(crate) async fn watch(&self) -> Result<Changes, StoreError> {
        // Beyond every transaction there is.
        let mut watched = Changes { first_open: i64::MAX as u64, ..Changes::default() };
        self.changed(&mut watched).await?;
        Ok(watched)
    }

    /// Returns what has changed since this was asked last.
    pub(crate) async fn changed(
        &self,
        watched: &mut Changes,
    ) -> Result<BTreeSet<UserChange>, StoreError> {
        match &self.engine {
            // A single server uses it.
            Engine::Sled(_) => Ok(BTreeSet::new()),
            Engine::Postgres(database) => database.changed(watched).await,
        }
    }
}
