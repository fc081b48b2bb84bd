//! The records of one moment: a transaction that reads what was there at its begin, a page at a
//! time.

use super::{
    connection::{Connection, Order},
    errors::DatabaseError,
};
use crate::store::{
    kinds::{KINDS, Kind},
    scan::{Entry, KeyRange, successor},
};

/// Records read in one step.
const STEP: i64 = 512;

pub(in crate::store) struct Snapshot {
    connection: Connection,
    /// The kind that is read, and from which key on.
    at: (usize, Vec<u8>),
}

impl Snapshot {
    /// Takes the moment. The transaction ends when this is dropped, with its connection.
    pub(super) fn begin(connection: Connection) -> Result<Self, DatabaseError> {
        connection.begin_enclosing()?;
        // The database takes the moment at the first look.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'; SELECT 1")?;
        Ok(Self { connection, at: (0, Vec::new()) })
    }

    /// Reads the next records, of one kind, in the order of kinds and keys; `None` after the last.
    pub(in crate::store) fn next(
        &mut self,
    ) -> Result<Option<(&'static Kind, Vec<Entry>)>, DatabaseError> {
        let (at, first) = &mut self.at;
        let Some(kind) = KINDS.get(*at) else { return Ok(None) };
        let keys = KeyRange::from(std::mem::take(first));
        let page = self.connection.page(kind.table, &keys, (Order::Forward, STEP))?;
        match page.last().filter(|_| page.len() as i64 == STEP) {
            Some((last, _)) => *first = successor(last),
            None => *at += 1,
        }
        Ok(Some((kind, page)))
    }
}
