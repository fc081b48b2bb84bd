//! The two engines under the transactions: sled, embedded in one server, and PostgreSQL, which many
//! share.

use std::{path::Path, time::Duration};

use uuid::Uuid;

use super::{
    OnMissingDatabase, SharedSecret, StoreError,
    kinds::Kind,
    postgres::{self, Postgres},
    scan::Entry,
    sled::{self, Sled},
    tables::Tables,
};
use crate::{clock, config::DatabaseUrl, metrics::StoreLatency};

/// The database of one server.
#[derive(Clone)]
pub struct Store {
    pub(super) engine: Engine,
    pub(crate) latency: StoreLatency,
}

#[derive(Clone)]
pub(super) enum Engine {
    Sled(Sled),
    Postgres(Postgres),
}

/// The records of one moment, read once from first to last.
pub(super) enum Snapshot {
    Sled(sled::Snapshot),
    Postgres(Box<postgres::Snapshot>),
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

    /// Connects to a database that servers share, makes its tables what this program needs, and
    /// refuses a clock that differs from this machine's.
    pub async fn connect(url: &DatabaseUrl, connections: u32) -> Result<Self, StoreError> {
        let database = Postgres::new(url, connections as usize)?;
        for step in database.migrate().await? {
            tracing::info!(version = step.version, step.about, "database was migrated");
        }
        database.demand_same_time().await?;
        Ok(Self::on(Engine::Postgres(database)))
    }

    /// Names the steps by which the tables of a database become those of this program, and takes
    /// them unless this is a `dry_run`.
    pub(crate) async fn migrate(
        url: &DatabaseUrl,
        dry_run: bool,
    ) -> Result<Vec<(i32, &'static str)>, StoreError> {
        let database = Postgres::new(url, 1)?;
        let steps = if dry_run { database.pending().await? } else { database.migrate().await? };
        Ok(steps.iter().map(|step| (step.version, step.about)).collect())
    }

    /// Tries whether a server could start on a database, and changes nothing.
    pub(crate) async fn try_out(
        url: &DatabaseUrl,
        secrets: Vec<SharedSecret>,
    ) -> Result<(), StoreError> {
        let database = Postgres::new(url, 1)?;
        database.pending().await?;
        database.demand_same_time().await?;
        database.compare_secrets(secrets).await
    }

    /// Leaves a fingerprint of each secret that servers on one database must share, or refuses one
    /// that differs from what others left.
    pub(crate) async fn demand_same_secrets(
        &self,
        secrets: Vec<SharedSecret>,
    ) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sled(_) => Ok(()),
            Engine::Postgres(database) => database.demand_same_secrets(secrets).await,
        }
    }

    /// Returns an id for this start of a server, from 1 to 2^24 - 1: another one for each server on
    /// the database, until they come round.
    pub async fn next_node_id(&self) -> Result<u32, StoreError> {
        match &self.engine {
            Engine::Sled(_) => Ok(1),
            Engine::Postgres(database) => database.next_node_id().await,
        }
    }

    /// Returns what names the database that servers share.
    pub(crate) async fn database_id(&self) -> Result<Uuid, StoreError> {
        match &self.engine {
            Engine::Sled(_) => Ok(Uuid::nil()),
            Engine::Postgres(database) => database.id().await,
        }
    }

    /// Whether other servers may be on the same database.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Whether what one server does for all, once in `every`, is for this one to do now.
    pub(crate) async fn claim(
        &self,
        duty: &'static str,
        every: Duration,
    ) -> Result<bool, StoreError> {
        match &self.engine {
            Engine::Sled(_) => Ok(true),
            Engine::Postgres(database) => database.claim(duty, every).await,
        }
    }

    pub(super) fn on(engine: Engine) -> Self {
        Self { engine, latency: StoreLatency::default() }
    }

    /// For what takes a key or two. On sled it is ready at once, as sled has them in memory, or reads
    /// a page; to wake another thread for it and to be woken again takes longer, and every request and
    /// every connection does it.
    pub(super) async fn look_up<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = clock::instant();
        let value = match &self.engine {
            Engine::Sled(sled) => sled.look_up(job),
            Engine::Postgres(database) => database.run(job).await,
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
            Engine::Postgres(database) => database.run(job).await,
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
            Engine::Postgres(database) => database.run(job).await,
        };
        self.latency.write.observe((clock::instant() - began).as_secs_f64());
        value
    }

    /// All records of this moment, to be read while others write.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.snapshot().await.map(Snapshot::Sled),
            Engine::Postgres(database) => {
                Ok(Snapshot::Postgres(Box::new(database.snapshot().await?)))
            }
        }
    }

    /// Like [`Store::read`], of one moment.
    pub(super) async fn read_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.read_alone(job).await,
            Engine::Postgres(database) => database.read_alone(job).await,
        }
    }

    /// Like [`Store::write`], for what takes several transactions that nothing may come between.
    pub(super) async fn write_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.write_alone(job).await,
            Engine::Postgres(database) => database.write_alone(job).await,
        }
    }

    /// Like [`Store::write`], for what goes through whole tables in many small transactions.
    pub(super) async fn write_much<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.write_much(job).await,
            Engine::Postgres(database) => database.run(job).await,
        }
    }

    /// Makes everything durable, at the end.
    pub async fn flush(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sled(sled) => sled.flush().await,
            // What was committed is on its disk.
            Engine::Postgres(_) => Ok(()),
        }
    }
}

impl Snapshot {
    /// Reads the next records, of one kind, in the order of kinds and keys; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<(&'static Kind, Vec<Entry>)>, StoreError> {
        match self {
            Self::Sled(snapshot) => snapshot.next(),
            Self::Postgres(snapshot) => Ok(snapshot.next()?),
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
