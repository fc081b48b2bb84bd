//! The embedded store: sled, one process at a time.

use std::path::Path;

use super::{StoreError, flush::Flusher, opening, trees::Trees};

/// The database of one server.
#[derive(Clone)]
pub struct Store {
    trees: Trees,
    flusher: Flusher,
}

impl Store {
    /// Opens or creates the database in `directory`.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let (db, flushes) = opening::open(directory)?;
        let trees = Trees::open(&db)?;
        Ok(Self { trees, flusher: Flusher::start(db, flushes, directory)? })
    }

    /// sled blocks, so it runs where blocking hurts nobody.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let trees = self.trees.clone();
        tokio::task::spawn_blocking(move || job(&trees))
            .await
            .map_err(|error| StoreError::Broken(error.to_string()))?
    }

    /// A read that also writes has reached the disk when it returns.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let value = self.read(job).await?;
        self.flusher.flush().await?;
        Ok(value)
    }

    /// Puts everything on disk, at the end.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.flusher.flush().await
    }
}
