//! Transactions over the tables. One may run more than once before it commits, so it decides from
//! what it reads and does nothing else.

use meoww_proto::UserId;
use serde::{Serialize, de::DeserializeOwned};
use sled::{
    Transactional,
    transaction::{
        ConflictableTransactionError, ConflictableTransactionResult, TransactionError,
        TransactionalTree,
    },
};

use super::{
    StoreError,
    records::{decode, encode},
    snapshot::OldValues,
    trees::{Table, Trees, user_id},
};

pub(super) type Transaction<T> = ConflictableTransactionResult<T, StoreError>;

/// Every table, within a transaction.
pub(super) struct Tx<'a> {
    open: &'a [TransactionalTree],
    old_values: &'a OldValues,
}

impl From<TransactionError<StoreError>> for StoreError {
    fn from(error: TransactionError<StoreError>) -> Self {
        match error {
            TransactionError::Abort(error) => error,
            TransactionError::Storage(error) => error.into(),
        }
    }
}

impl Trees {
    /// Runs `job` as one transaction: all of what it writes, or none.
    pub(super) fn transaction<T>(
        &self,
        job: impl Fn(&Tx<'_>) -> Transaction<T>,
    ) -> Result<T, StoreError> {
        let old_values = &self.old_values;
        Ok(self.all()[..].transaction(|open| job(&Tx { open, old_values }))?)
    }
}

impl Tx<'_> {
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: impl AsRef<[u8]>,
    ) -> Transaction<Option<T>> {
        let bytes = self.tree(table).get(key)?;
        bytes.map(|bytes| decode(&bytes)).transpose().map_err(abort)
    }

    /// Returns the user whom an index by name or address has under `key`.
    pub(super) fn holder(&self, index: Table, key: &str) -> Transaction<Option<UserId>> {
        self.tree(index).get(key)?.map(|id| user_id(&id)).transpose().map_err(abort)
    }

    /// Writes a record.
    pub(super) fn put<T: Serialize>(
        &self,
        table: Table,
        key: impl AsRef<[u8]>,
        value: &T,
    ) -> Transaction<()> {
        self.put_bytes(table, key, &encode(value))
    }

    /// Writes what is no record: an entry of an index, or bytes that are encoded already.
    pub(super) fn put_bytes(
        &self,
        table: Table,
        key: impl AsRef<[u8]>,
        value: &[u8],
    ) -> Transaction<()> {
        let old = self.tree(table).insert(key.as_ref(), value)?;
        self.old_values.keep(table, key.as_ref(), old);
        Ok(())
    }

    pub(super) fn remove(&self, table: Table, key: impl AsRef<[u8]>) -> Transaction<()> {
        let old = self.tree(table).remove(key.as_ref())?;
        self.old_values.keep(table, key.as_ref(), old);
        Ok(())
    }

    fn tree(&self, table: Table) -> &TransactionalTree {
        &self.open[table as usize]
    }
}

/// Ends a transaction without writing anything.
pub(super) fn abort(error: StoreError) -> ConflictableTransactionError<StoreError> {
    ConflictableTransactionError::Abort(error)
}
