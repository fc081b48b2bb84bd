//! The engine of several servers: PostgreSQL. Records are rows of one table each, so that operators
//! can look at them in SQL, and a transaction is one of theirs, at the level SERIALIZABLE.
//!
//! A job blocks, as on sled, on a thread of the blocking pool that waits for each answer of the
//! database. It has a connection before it has a thread, so the pool bounds both.

mod changes;
mod connect;
mod connection;
mod errors;
mod founding;
mod migrations;
mod snapshot;
mod sql;
mod tallies;
mod tls;
mod transaction;
mod unanswered;
mod within;

pub use self::errors::DatabaseError;
pub(super) use self::{
    connection::{Connection, Order},
    snapshot::Snapshot,
    transaction::PgTx,
};

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{
    Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use tokio::{runtime::Handle, sync::Notify};

use self::{connect::Hosts, unanswered::Unanswered, within::Within};
use super::{StoreError, engine::blocking, tables::Tables};
use crate::config::DatabaseUrl;

/// Longest wait for a connection of the pool.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);
/// After so long without an answer of its machine a connection counts as lost.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the database goes on with a statement, in seconds.
const STATEMENT_TIMEOUT: u64 = 5;
/// Settings of each connection, beside the bound for a statement. A table of a few rows is read by
/// its index as well: to read it whole would put every transaction in the way of every other. And a
/// transaction of a server that stands still is soon ended, as in the end it is in the way of all: while
/// it is open the database forgets nothing of those that came after, and from some ten for each connection
/// it allows on, it keeps only a summary, by which new ones fail that are in nobody's way
/// (`src/backend/storage/lmgr/README-SSI`, "Summarization").
const OPTIONS: &str = "-c lock_timeout=2s -c idle_in_transaction_session_timeout=3s \
    -c enable_seqscan=off -c client_min_messages=warning";

/// The database of one server or of many.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    unanswered: Arc<Unanswered>,
    /// Where it is, for errors.
    place: String,
}

impl Postgres {
    /// Prepares a pool of so many connections, and makes none.
    pub(super) fn new(url: &DatabaseUrl, connections: usize) -> Result<Self, DatabaseError> {
        let mut settings = url.settings();
        let own = settings.get_options().unwrap_or_default();
        let options = format!("{OPTIONS} -c statement_timeout={STATEMENT_TIMEOUT}s {own}");
        settings.options(options).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
        let tls = tls::connector(url).map_err(DatabaseError::Tls)?;
        let moved = Arc::new(Notify::new());
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(settings, Hosts::new(tls, moved.clone()), config);
        let timeouts = Timeouts {
            wait: Some(POOL_TIMEOUT),
            // Each attempt has its own, and how many there are is up to the URL.
            create: None,
            recycle: Some(POOL_TIMEOUT),
        };
        let builder = Pool::builder(manager).max_size(connections).timeouts(timeouts);
        let pool = builder.runtime(Runtime::Tokio1).build();
        let pool = pool.map_err(|error| DatabaseError::Broken(error.to_string()))?;
        let unanswered = Arc::new(Unanswered::of(connections, moved));
        Ok(Self { pool, unanswered, place: url.place() })
    }

    async fn connection(&self, within: Within) -> Result<Connection, DatabaseError> {
        match self.pool.get().await {
            Ok(client) => {
                let unanswered = self.unanswered.clone();
                Ok(Connection::new(client, (Handle::current(), unanswered), within))
            }
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(DatabaseError::Exhausted),
            Err(PoolError::Backend(error)) => {
                Err(DatabaseError::on_connecting(&self.place, &error))
            }
            Err(error) => Err(DatabaseError::Unreachable {
                place: self.place.clone(),
                reason: error.to_string(),
            }),
        }
    }

    /// Runs a job whose transactions are its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tables = Tables::Postgres(Box::new(self.connection(Within::Nothing).await?));
        blocking(move || job(&tables)).await
    }

    /// Runs a job that sees the records of one moment, and writes nothing.
    pub(super) async fn read_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection(Within::Moment).await?;
        blocking(move || connection.enclose(job)).await
    }

    /// Runs a job as one transaction, beside which nobody writes.
    pub(super) async fn write_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection(Within::Locks).await?;
        blocking(move || connection.enclose(job)).await
    }

    /// All records of this moment, to be read while others write.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let connection = self.connection(Within::Moment).await?;
        blocking(move || Ok(Snapshot::begin(connection)?)).await
    }
}
