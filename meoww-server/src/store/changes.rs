//! What a server must hear of though another one did it: a trigger of the database leaves a row, in
//! the same transaction, whoever changes what is there.

use std::collections::BTreeSet;

use meoww_proto::UserId;

use super::{Store, StoreError, engine::Engine};

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UserChange {
    /// A session of this user ended.
    Session(UserId),
    /// Whom this user is never to meet.
    Blocks(UserId),
}

impl UserChange {
    /// Whom it concerns.
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
    /// Returns a beginning: all that changes from now on is told.
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
            // Nobody else is on it.
            Engine::Sled(_) => Ok(BTreeSet::new()),
            Engine::Postgres(database) => database.changed(watched).await,
        }
    }
}
