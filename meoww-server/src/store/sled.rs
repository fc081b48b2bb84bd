//! The embedded store: sled, one process at a time.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use super::{StoreError, flush::Flusher, opening, trees::Trees};
use crate::{clock, metrics::StoreLatency};

/// The database of one server.
#[derive(Clone)]
pub struct Store {
    trees: Arc<Trees>,
    flusher: Flusher,
    pub(crate) latency: StoreLatency,
    /// Shared by transactions; held alone by whoever needs all trees of one moment.
    gate: Arc<RwLock<()>>,
}

impl Store {
    /// Opens or creates the database in `directory`.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let (db, flushes) = opening::open(directory)?;
        let trees = Arc::new(Trees::open(&db)?);
        Ok(Self {
            trees,
            flusher: Flusher::start(db, flushes, directory)?,
            gate: Arc::default(),
            latency: StoreLatency::default(),
        })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = clock::instant();
        let value = self.run(job).await;
        self.latency.read.observe((clock::instant() - began).as_secs_f64());
        value
    }

    /// sled blocks, so it runs where blocking hurts nobody.
    async fn run<T: Send + 'static>(
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
        let gate = self.gate.clone();
        let shared = move |trees: &Trees| {
            let _shared = gate.read().unwrap_or_else(PoisonError::into_inner);
            job(trees)
        };
        let began = clock::instant();
        let value = self.run(shared).await?;
        self.flusher.flush().await?;
        self.latency.write.observe((clock::instant() - began).as_secs_f64());
        Ok(value)
    }

    /// Like [`Store::read`], while nothing is written.
    pub(super) async fn read_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gate = self.gate.clone();
        self.run(move |trees| {
            let _alone = gate.write().unwrap_or_else(PoisonError::into_inner);
            job(trees)
        })
        .await
    }

    /// Like [`Store::write`], for what takes several transactions that nothing may come between.
    pub(super) async fn write_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let value = self.read_alone(job).await?;
        self.flusher.flush().await?;
        Ok(value)
    }

    /// Puts everything on disk, at the end.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.flusher.flush().await
    }
}
