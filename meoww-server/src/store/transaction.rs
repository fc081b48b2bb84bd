//! Transactions over the tables. One may run more than once before it commits, so it decides from
//! what it reads and does nothing else.

use meoww_proto::UserId;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    postgres::PgTx,
    records::{decode, encode},
    sled::TreesTx,
    tables::{Table, Tables, user_id},
};

pub(super) type Transaction<T> = Result<T, TxError>;

/// Why a transaction ends without writing anything.
pub(super) enum TxError {
    /// It failed.
    Abort(StoreError),
    /// Another one was in its way: it is to run again.
    Conflict,
}

impl From<StoreError> for TxError {
    fn from(error: StoreError) -> Self {
        Self::Abort(error)
    }
}

/// Every table, within a transaction.
pub(super) enum Tx<'a> {
    Sled(TreesTx<'a>),
    Postgres(&'a PgTx<'a>),
}

impl Tables {
    /// Runs `job` as one transaction: all of what it writes, or none.
    pub(super) fn transaction<T>(
        &self,
        job: impl Fn(&Tx<'_>) -> Transaction<T>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sled(trees) => trees.transaction(|tx| job(&Tx::Sled(tx))),
            Self::Postgres(database) => database.transaction(|tx| job(&Tx::Postgres(tx))),
        }
    }
}

impl Tx<'_> {
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: impl AsRef<[u8]>,
    ) -> Transaction<Option<T>> {
        Ok(match self {
            Self::Sled(tx) => tx.get(table, key.as_ref())?.map(|bytes| decode(&bytes)),
            Self::Postgres(tx) => tx.get(table, key.as_ref())?.map(|bytes| decode(&bytes)),
        }
        .transpose()?)
    }

    /// Returns the user whom an index by name or address has under `key`.
    pub(super) fn holder(&self, index: Table, key: &str) -> Transaction<Option<UserId>> {
        Ok(match self {
            Self::Sled(tx) => tx.get(index, key.as_bytes())?.map(|id| user_id(&id)),
            Self::Postgres(tx) => tx.get(index, key.as_bytes())?.map(|id| user_id(&id)),
        }
        .transpose()?)
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
        match self {
            Self::Sled(tx) => tx.put(table, key.as_ref(), value),
            Self::Postgres(tx) => {
                tx.put(table, key.as_ref(), value);
                Ok(())
            }
        }
    }

    pub(super) fn remove(&self, table: Table, key: impl AsRef<[u8]>) -> Transaction<()> {
        match self {
            Self::Sled(tx) => tx.remove(table, key.as_ref()),
            Self::Postgres(tx) => {
                tx.remove(table, key.as_ref());
                Ok(())
            }
        }
    }

    /// Removes all under a prefix, once something was read. sled's transactions cannot look for it:
    /// there, that is done before and behind them.
    pub(super) fn remove_under(&self, table: Table, prefix: &[u8]) -> Transaction<()> {
        match self {
            Self::Sled(_) => Ok(()),
            Self::Postgres(tx) => tx.remove_under(table, prefix),
        }
    }
}
