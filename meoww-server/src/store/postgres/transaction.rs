//! Transactions. What one writes waits until its job has ended, and goes to the database together
//! with the commit: a job waits for what it reads, and once for all it writes.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    pin::Pin,
    task::Poll,
    thread,
    time::Duration,
};

use futures_util::future::{MaybeDone, join, join_all, maybe_done};
use rand::RngExt;
use tokio_postgres::{Error, types::ToSql};

use super::{
    connection::{Connection, Order},
    errors::{DatabaseError, is_loss},
    sql::{Statements, Value},
    within::{COMMIT, WAIT_FOR_STANDBY, Within},
};
use crate::{
    clock,
    store::{
        StoreError,
        scan::KeyRange,
        tables::Table,
        transaction::{Transaction, TxError},
    },
};

/// For how long a transaction is run again that others are in the way of: longer than one that stands
/// still goes on.
const PATIENCE: Duration = Duration::from_secs(6);
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(200);
const BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

/// How long to wait before another attempt: any time up to a bound that doubles ("full jitter",
/// Marc Brooker, "Exponential Backoff And Jitter", AWS 2015).
pub(super) fn backoff(attempt: u32) -> Duration {
    let bound = (FIRST_WAIT * (1 << attempt.min(10))).min(LONGEST_WAIT);
    bound.mul_f64(rand::rng().random())
}

type Writes = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// Every table, within a transaction.
pub(in crate::store) struct PgTx<'a> {
    connection: &'a Connection,
    /// Not before there is something to read: then both go at once.
    is_begun: Cell<bool>,
    writes: RefCell<Writes>,
}

impl Connection {
    /// Runs `job` as one transaction: all of what it writes, or none.
    pub(in crate::store) fn transaction<T>(
        &self,
        job: impl Fn(&PgTx<'_>) -> Transaction<T>,
    ) -> Result<T, StoreError> {
        let until = clock::instant() + PATIENCE;
        for attempt in 0.. {
            if attempt > 0 {
                thread::sleep(backoff(attempt));
            }
            match self.attempt(&job) {
                Err(TxError::Conflict) => {}
                Err(TxError::Abort(StoreError::Database(DatabaseError::Busy))) => {}
                Err(TxError::Abort(error)) => return Err(error),
                Ok(value) => return Ok(value),
            }
            if self.within != Within::Nothing || clock::instant() > until {
                break;
            }
        }
        Err(DatabaseError::Busy.into())
    }

    fn attempt<T>(&self, job: &impl Fn(&PgTx<'_>) -> Transaction<T>) -> Transaction<T> {
        let (is_begun, writes) = (Cell::new(self.within != Within::Nothing), RefCell::default());
        let tx = PgTx { connection: self, is_begun, writes };
        let done = job(&tx);
        let ended = match (&done, self.within) {
            (Ok(_), _) => tx.commit(),
            (Err(_), Within::Nothing) if tx.is_begun.get() && !self.is_lost() => {
                self.execute("ROLLBACK")
            }
            (Err(_), _) => Ok(()),
        };
        if self.within == Within::Nothing && ended.is_ok() {
            self.mark_open(false);
        }
        match (done, ended) {
            // A connection that is lost cannot be rolled back; what it failed with comes first.
            (Err(error), _) => Err(error),
            (Ok(value), ended) => Ok(ended.map(|()| value)?),
        }
    }
}

impl PgTx<'_> {
    pub(in crate::store) fn get(&self, table: Table, key: &[u8]) -> Transaction<Option<Vec<u8>>> {
        if let Some(written) = self.writes.borrow().get(&(table, key.to_vec())) {
            return Ok(written.clone());
        }
        if self.is_begun.replace(true) {
            return Ok(self.connection.get(table, key)?);
        }
        self.connection.mark_open(true);
        let client = self.connection.client();
        let read = async {
            let statement = client.prepare_cached(&Statements::of(table).get).await?;
            client.query_opt(&statement, &[&key]).await
        };
        let both = async {
            let (begun, read) = join(client.batch_execute(BEGIN), read).await;
            begun.and(read)
        };
        let row = self.connection.wait(both)?;
        let value = row.map(|row| row.try_get::<_, Value<'_>>(0).map(|value| value.0.to_vec()));
        Ok(value.transpose().map_err(|error| DatabaseError::on_statement(&error))?)
    }

    pub(in crate::store) fn put(&self, table: Table, key: &[u8], value: &[u8]) {
        self.writes.borrow_mut().insert((table, key.to_vec()), Some(value.to_vec()));
    }

    pub(in crate::store) fn remove(&self, table: Table, key: &[u8]) {
        self.writes.borrow_mut().insert((table, key.to_vec()), None);
    }

    /// Removes all under a prefix, once something was read: before, no transaction has begun.
    pub(in crate::store) fn remove_under(&self, table: Table, prefix: &[u8]) -> Transaction<()> {
        for entry in self.connection.scan(table, KeyRange::prefix(prefix), Order::Forward) {
            self.remove(table, &entry?.0);
        }
        Ok(())
    }

    /// Sends all writes, and ends the transaction unless another is around it.
    fn commit(&self) -> Result<(), DatabaseError> {
        let writes = self.writes.take();
        let (connection, client) = (self.connection, self.connection.client());
        let is_whole = connection.within == Within::Nothing;
        let begins = !self.is_begun.replace(true);
        if begins && writes.is_empty() {
            return Ok(());
        }
        if is_whole && !writes.is_empty() && connection.unanswered.is_full() {
            if !begins {
                connection.execute("ROLLBACK")?;
            }
            connection.mark_open(false);
            return Err(DatabaseError::Stalled);
        }
        let statement = |(table, _): &(Table, Vec<u8>), value: &Option<Vec<u8>>| {
            let statements = Statements::of(*table);
            if value.is_some() { &statements.put } else { &statements.remove }
        };
        // All of them are there before the first is sent, so that they go in their order.
        let prepared = connection.wait(async {
            let texts = writes.iter().map(|(key, value)| statement(key, value));
            let prepared = join_all(texts.map(|text| client.prepare_cached(text))).await;
            prepared.into_iter().collect::<Result<Vec<_>, _>>()
        })?;
        connection.mark_open(true);
        let has_written = !writes.is_empty();
        let values: Vec<_> = writes
            .iter()
            .map(|((_, key), value)| (key.as_slice(), value.as_deref().map(Value)))
            .collect();
        let sending = async {
            let begin = async { if begins { client.batch_execute(BEGIN).await } else { Ok(()) } };
            let each = prepared.iter().zip(&values).map(|(statement, (key, value))| async move {
                let parameters: Vec<&(dyn ToSql + Sync)> = match value {
                    Some(value) => vec![key, value],
                    None => vec![key],
                };
                client.execute_raw(statement, parameters).await
            });
            let end = async {
                if !is_whole {
                    return Ok(());
                }
                // Two messages: where a write failed the first fails as well, and must not keep
                // the second from ending the transaction.
                let wait = client.batch_execute(WAIT_FOR_STANDBY);
                let (waits, ended) = join(wait, client.batch_execute(COMMIT)).await;
                waits.and(ended)
            };
            let (begun, (written, ended)) = join(begin, join(sent_in_order(each), end)).await;
            let written: Result<Vec<u64>, Error> = written.into_iter().collect();
            // Of several errors the first is the reason of the others.
            Ok(begun.and(written.map(drop)).and(ended))
        };
        let sent = connection.wait(sending);
        self.outcome(sent, is_whole, has_written)
    }

    /// Tells what became of a commit, and whether the connection can go on.
    fn outcome(
        &self,
        sent: Result<Result<(), Error>, DatabaseError>,
        is_whole: bool,
        has_written: bool,
    ) -> Result<(), DatabaseError> {
        let connection = self.connection;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_loss(&error) && is_whole && has_written => {
                connection.mark_lost();
                Err(DatabaseError::Unknown)
            }
            Ok(Err(error)) => {
                let error = DatabaseError::on_statement(&error);
                if error.ends_connection() {
                    connection.mark_lost();
                } else if is_whole {
                    // The commit that followed took it back.
                    connection.mark_open(false);
                }
                Err(error)
            }
            Err(DatabaseError::Away(_)) if is_whole && has_written => {
                connection.mark_unanswered();
                Err(DatabaseError::Unknown)
            }
            Err(error) => Err(error),
        }
    }
}

/// Waits for all, and has begun each, in their order, when it is first looked at. `join_all` begins
/// the thirty-first only after a while, and with it would come what is to follow them all.
async fn sent_in_order<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<MaybeDone<F>>>> =
        all.map(|one| Box::pin(maybe_done(one))).collect();
    poll_fn(|context| {
        let polls = waiting.iter_mut().map(|one| one.as_mut().poll(context).is_ready());
        // Each of them, also behind one that is not ready.
        let left = polls.filter(|is_ready| !is_ready).count();
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.iter_mut().filter_map(|one| one.as_mut().take_output()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        for attempt in 0..100 {
            let wait = backoff(attempt);
            assert!(wait <= LONGEST_WAIT && wait <= FIRST_WAIT * (1 << attempt.min(10)));
        }
    }
}
