//! The transaction in which a job on a connection runs, and how long that may take.

use std::time::Duration;

use super::{
    STATEMENT_TIMEOUT, connection::Connection, errors::DatabaseError, transaction::backoff,
};
use crate::store::{
    StoreError,
    tables::{NAMES, Tables},
};

/// The database's bound, in seconds, for a page of an export.
const STATEMENT_TIMEOUT_MOMENT: u64 = 10;
/// The database's bounds, in seconds, for what is done while nobody else writes, or for all servers.
const LOCK_TIMEOUT_ALONE: u64 = 30;
const STATEMENT_TIMEOUT_ALONE: u64 = 60;
/// Such a job, and one that reads, may do something else between two statements.
const MAY_PAUSE: &str = "SET LOCAL idle_in_transaction_session_timeout = '60s'";
/// How often an import that another writer is in the way of begins again.
const LOCK_ATTEMPTS: u32 = 10;

/// Comes before a commit: a time-out of the database would end the wait for a standby, and then take
/// the commit for good.
pub(super) const WAIT_FOR_STANDBY: &str = "SET LOCAL statement_timeout = 0";
pub(super) const COMMIT: &str = "COMMIT";

/// The transaction in which a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Nothing: each transaction of it is one of the database.
    Nothing,
    /// A transaction that reads what was there at its begin.
    Moment,
    /// A transaction beside which others read and nobody writes.
    Locks,
    /// Nothing, and statements that no request waits for may take long.
    Upkeep,
    /// A transaction that has no bound of time, as it waits for one of another server that may take
    /// as long as it needs.
    Migration,
}

impl Within {
    /// How long the database goes on with a statement.
    pub(super) fn statement_timeout(self) -> Option<Duration> {
        match self {
            Self::Nothing => Some(Duration::from_secs(STATEMENT_TIMEOUT)),
            Self::Moment => Some(Duration::from_secs(STATEMENT_TIMEOUT_MOMENT)),
            Self::Locks | Self::Upkeep => Some(Duration::from_secs(STATEMENT_TIMEOUT_ALONE)),
            Self::Migration => None,
        }
    }
}

impl Connection {
    /// Runs a statement as a transaction that may take long.
    pub(super) fn take_time(&self, sql: &str) -> Result<(), DatabaseError> {
        self.mark_open(true);
        self.execute(&format!(
            "BEGIN; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_ALONE}s'; {sql}; COMMIT"
        ))?;
        self.mark_open(false);
        Ok(())
    }

    /// Runs a job within the transaction it is for.
    pub(super) fn enclose<T>(
        self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.begin_enclosing()?;
        let tables = Tables::Postgres(Box::new(self));
        let done = job(&tables);
        let Tables::Postgres(connection) = &tables else { return done };
        connection.finish_enclosing(done.is_ok())?;
        done
    }

    pub(super) fn begin_enclosing(&self) -> Result<(), DatabaseError> {
        self.mark_open(true);
        if self.within == Within::Moment {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            return self.execute(&format!(
                "{begin}; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_MOMENT}s'; {MAY_PAUSE}"
            ));
        }
        // A transaction under way may hold one table and want the next, so one of the two gives way.
        let tables = NAMES.join(", ");
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL lock_timeout = '{LOCK_TIMEOUT_ALONE}s'; \
             SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_ALONE}s'; {MAY_PAUSE}; \
             LOCK TABLE {tables} IN EXCLUSIVE MODE"
        );
        for attempt in 0.. {
            match self.execute(&begin) {
                Err(DatabaseError::Busy) if attempt < LOCK_ATTEMPTS => {
                    self.execute("ROLLBACK")?;
                    std::thread::sleep(backoff(attempt));
                }
                begun => return begun,
            }
        }
        Ok(())
    }

    fn finish_enclosing(&self, is_good: bool) -> Result<(), DatabaseError> {
        let ended = match is_good {
            true => self.commit_now(),
            false => self.execute("ROLLBACK"),
        };
        if ended.is_ok() {
            self.mark_open(false);
        }
        ended
    }

    fn commit_now(&self) -> Result<(), DatabaseError> {
        self.execute(WAIT_FOR_STANDBY)?;
        self.execute(COMMIT).map_err(|error| match error {
            DatabaseError::Away(_) if self.within == Within::Locks => DatabaseError::Unknown,
            error => error,
        })
    }
}
