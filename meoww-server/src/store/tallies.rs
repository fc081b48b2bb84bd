//! How often something was done within a while, counted by all servers on a database together.

use std::time::Duration;

use super::{Store, StoreError, engine::Engine};
use crate::core::limits::Quota;

/// What is counted, as a digest: nothing of it can be read in the database.
pub(crate) type TallyKey = [u8; 32];

/// Where a count stands after one was added, or was one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Whether there was room for it.
    pub(crate) is_admitted: bool,
    /// How many are in this window.
    pub(crate) used: u32,
    /// Until the next window.
    pub(crate) left: Duration,
    /// When this window ends, in microseconds by the database's clock.
    pub(crate) ends: i64,
}

impl Store {
    /// Counts one of `key`, unless that is more than its quota.
    pub(crate) async fn count(&self, key: TallyKey, quota: Quota) -> Result<Tally, StoreError> {
        match &self.engine {
            Engine::Sled(_) => Err(StoreError::Broken("nobody shares the database".into())),
            Engine::Postgres(database) => database.count(key, quota).await,
        }
    }

    /// Takes back one that was counted in the window that ends then.
    pub(crate) async fn uncount(&self, key: TallyKey, ends: i64) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sled(_) => Ok(()),
            Engine::Postgres(database) => database.uncount(key, ends).await,
        }
    }

    /// Forgets counts whose window is over, and the oldest of too many; also changes that every server
    /// knows of.
    pub(crate) async fn forget_tallies(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sled(_) => Ok(()),
            Engine::Postgres(database) => {
                database.forget_tallies().await?;
                database.forget_changes().await
            }
        }
    }
}
