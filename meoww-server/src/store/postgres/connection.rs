//! One connection, for the time of one job, which waits for its answers on a thread of its own.

use std::{cell::Cell, collections::VecDeque, future::Future, sync::Arc, time::Duration};

use deadpool_postgres::Object;
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{Error, Row, types::ToSql};

use super::{
    errors::DatabaseError,
    sql::{Statements, Value},
    unanswered::Unanswered,
    within::Within,
};
use crate::store::{
    StoreError,
    kinds::KINDS,
    scan::{Entry, KeyRange, Scan, successor},
    tables::Table,
};

/// How much longer an answer is waited for than the database itself goes on with a statement.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);
/// Rows asked for at once.
const PAGE: i64 = 512;
/// A connection of the pool.
pub(in crate::store) struct Connection {
    /// `None` once it is of no use to others.
    client: Option<Object>,
    runtime: Handle,
    pub(super) unanswered: Arc<Unanswered>,
    pub(super) within: Within,
    /// Whether a transaction is under way, so that nobody else may go on with it.
    is_open: Cell<bool>,
    is_lost: Cell<bool>,
    /// Whether a commit was sent and not answered in time.
    is_unanswered: Cell<bool>,
}

impl Connection {
    pub(super) fn new(
        client: Object,
        (runtime, unanswered): (Handle, Arc<Unanswered>),
        within: Within,
    ) -> Self {
        let [is_open, is_lost, is_unanswered] = [(); 3].map(|()| Cell::new(false));
        Self { client: Some(client), runtime, unanswered, within, is_open, is_lost, is_unanswered }
    }

    pub(super) fn client(&self) -> &Object {
        self.client.as_ref().expect("it is taken when it is dropped")
    }

    /// Waits for an answer.
    pub(super) fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DatabaseError> {
        let longest = self.within.statement_timeout();
        let longest = longest.map_or(Duration::MAX, |longest| longest + ANSWER_MARGIN);
        let answer = self.runtime.block_on(async { timeout(longest, answer).await });
        let result = match answer {
            Ok(result) => result.map_err(|error| DatabaseError::on_statement(&error)),
            Err(_) => {
                // The host hangs, and so do the connections to it that wait for their next use.
                if let Some(pool) = Object::pool(self.client()) {
                    pool.retain(|_, _| false);
                }
                Err(DatabaseError::Away("no answer in time".into()))
            }
        };
        if result.as_ref().is_err_and(DatabaseError::ends_connection) {
            self.is_lost.set(true);
        }
        result
    }

    /// Marks a transaction as begun or ended.
    pub(super) fn mark_open(&self, is_open: bool) {
        self.is_open.set(is_open);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    pub(super) fn mark_lost(&self) {
        self.is_lost.set(true);
    }

    pub(super) fn mark_unanswered(&self) {
        self.is_unanswered.set(true);
    }

    pub(super) fn execute(&self, sql: &str) -> Result<(), DatabaseError> {
        self.wait(self.client().batch_execute(sql))
    }

    pub(super) fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.wait(async {
            let statement = self.client().prepare_cached(sql).await?;
            self.client().query(&statement, parameters).await
        })
    }

    pub(in crate::store) fn get(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, DatabaseError> {
        let rows = self.rows(&Statements::of(table).get, &[&key])?;
        rows.first().map(|row| value(row, 0)).transpose()
    }

    pub(in crate::store) fn contains(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<bool, DatabaseError> {
        Ok(!self.rows(&Statements::of(table).has, &[&key])?.is_empty())
    }

    pub(in crate::store) fn count(&self, table: Table) -> Result<u64, DatabaseError> {
        let rows = self.rows(&Statements::of(table).count, &[])?;
        let count = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0));
        let count = count.map_err(|error| DatabaseError::on_statement(&error))?;
        Ok(count.unsigned_abs())
    }

    pub(in crate::store) fn has_any(
        &self,
        table: Table,
        keys: &KeyRange,
    ) -> Result<bool, DatabaseError> {
        Ok(!self.page(table, keys, (Order::Forward, 1))?.is_empty())
    }

    pub(in crate::store) fn scan(&self, table: Table, keys: KeyRange, order: Order) -> Scan<'_> {
        Box::new(Pages { connection: self, table, order, rest: Some(keys), page: VecDeque::new() })
    }

    /// The first so many entries of a range.
    pub(super) fn page(
        &self,
        table: Table,
        keys: &KeyRange,
        (order, limit): (Order, i64),
    ) -> Result<Vec<Entry>, DatabaseError> {
        let statements = Statements::of(table);
        let rows = match (&keys.end, order) {
            (None, Order::Forward) => self.rows(&statements.rest, &[&keys.first, &limit]),
            (None, Order::Back) => self.rows(&statements.rest_back, &[&keys.first, &limit]),
            (Some(end), Order::Forward) => {
                self.rows(&statements.between, &[&keys.first, end, &limit])
            }
            (Some(end), Order::Back) => {
                self.rows(&statements.between_back, &[&keys.first, end, &limit])
            }
        };
        rows?.iter().map(|row| Ok((value(row, 0)?, value(row, 1)?))).collect()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if (self.is_open.get() || self.is_lost.get())
            && let Some(client) = self.client.take()
        {
            if self.is_unanswered.get() {
                self.unanswered.keep(client, &self.runtime);
            } else {
                // Closed, and the database takes back what was not committed.
                drop(Object::take(client));
            }
        }
    }
}

fn value(row: &Row, column: usize) -> Result<Vec<u8>, DatabaseError> {
    let value: Value<'_> =
        row.try_get(column).map_err(|error| DatabaseError::on_statement(&error))?;
    Ok(value.0.to_vec())
}

/// Which way to go through keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Order {
    Forward,
    Back,
}

/// Goes through a range, a page at a time.
struct Pages<'a> {
    connection: &'a Connection,
    table: Table,
    order: Order,
    /// What was not asked for yet.
    rest: Option<KeyRange>,
    page: VecDeque<Entry>,
}

impl Pages<'_> {
    fn turn(&mut self) -> Result<(), DatabaseError> {
        let Some(keys) = self.rest.take() else { return Ok(()) };
        self.page = self.connection.page(self.table, &keys, (self.order, PAGE))?.into();
        let last = self.page.back().filter(|_| self.page.len() as i64 == PAGE);
        self.rest = last.map(|(last, _)| match self.order {
            Order::Forward => KeyRange { first: successor(last), ..keys },
            Order::Back => KeyRange { end: Some(last.clone()), ..keys },
        });
        Ok(())
    }
}

impl Iterator for Pages<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && let Err(error) = self.turn()
        {
            return Some(Err(error.into()));
        }
        self.page.pop_front().map(Ok)
    }
}

/// Whether the values of a table are JSON, or bytes.
pub(super) fn is_json(table: Table) -> bool {
    table == Table::UserSessions || KINDS.iter().any(|kind| kind.table == table)
}
