//! The two engines under the transactions: sled, embedded in one server.

use std::path::Path;

use super::{
    OnMissingDatabase, StoreError,
    kinds::Kind,
    scan::Entry,
    sled::{self, Sled},
    tables::Tables,
};
use crate::{clock, metrics::StoreLatency};

/// The database of one server.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    pub(crate) latency: StoreLatency,
}

#[derive(Clone)]
pub(super) enum Engine {
    Sled(Sled),
}

/// The records of one moment, read once from first to last.
pub(super) enum Snapshot {
    Sled(sled::Snapshot),
}

impl Store {
    /// Opens or creates the embedded database in `directory`.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Ok(Self::on(Engine::Sled(Sled::open(directory)?)))
    }

    /// Opens the embedded database of a data directory, or begins it at the first start.
    pub(crate) fn open_in(data_dir: &Path, if_lost: OnMissingDatabase) -> Result<Self, StoreError> {
        Ok(Self::on(Engine::Sled(Sled::open_in(data_dir, if_lost)?)))
    }

    pub(super) fn on(engine: Engine) -> Self {
        Self { engine, latency: StoreLatency::default() }
    }

    /// For what takes a key or two. On sled it is ready at once, as sled has them in memory, or reads
    /// a page; to wake another thread for it and to be woken again takes longer, and every request and
    /// every connection does it.
    #[expect(clippy::unused_async, reason = "an engine elsewhere is not ready at once")]
    pub(super) async fn look_up<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = clock::instant();
        let value = match &self.engine {
            Engine::Sled(sled) => sled.look_up(job),
        };
        self.latency.read.observe((clock::instant() - began).as_secs_f64());
        value
    }

    /// For what may take many.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = clock::instant();
        let value = match &self.engine {
            Engine::Sled(sled) => sled.run(job).await,
        };
        self.latency.read.observe((clock::instant() - began).as_secs_f64());
        value
    }

    /// What a job has written is durable when this returns, also if it read only.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = clock::instant();
        let value = match &self.engine {
            Engine::Sled(sled) => sled.write(job).await,
        };
        self.latency.write.observe((clock::instant() - began).as_secs_f64());
        value
    }

    /// All records of this moment, to be read while others write.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.snapshot().await.map(Snapshot::Sled),
        }
    }

    /// Like [`Store::read`], of one moment.
    pub(super) async fn read_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.read_alone(job).await,
        }
    }

    /// Like [`Store::write`], for what takes several transactions that nothing may come between.
    pub(super) async fn write_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.write_alone(job).await,
        }
    }

    /// Like [`Store::write`], for what goes through whole tables in many small transactions.
    pub(super) async fn write_much<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.write_much(job).await,
        }
    }

    /// Makes everything durable, at the end.
    pub async fn flush(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.flush().await,
        }
    }
}

impl Snapshot {
    /// Reads the next records, of one kind, in the order of kinds and keys; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<(&'static Kind, Vec<Entry>)>, StoreError> {
        match self {
            Self::Sled(snapshot) => snapshot.next(),
        }
    }
}

/// Runs what blocks where blocking hurts nobody.
pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|error| StoreError::Broken(error.to_string()))?
}
