//! The tables on disk: one sled tree each.

use std::collections::HashMap;

use meoww_proto::UserId;
use sled::{
    IVec, Transactional, Tree,
    transaction::{
        ConflictableTransactionError, TransactionError, TransactionalTree,
        UnabortableTransactionError,
    },
};

use super::snapshot::OldValues;
use crate::{
    core::session::{Session, SessionId},
    store::{
        StoreError,
        records::{decode, encode},
        scan::{Entry, KeyRange},
        tables::{NAMES, Table},
        transaction::{Transaction, TxError},
    },
};

/// Entry of the default tree that says the index of sessions by user is whole.
const INDEXED: &str = "sessions are indexed by user";

/// The open tables.
pub(in crate::store) struct Trees {
    trees: Vec<Tree>,
    pub(super) old_values: OldValues,
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<TransactionError<StoreError>> for StoreError {
    fn from(error: TransactionError<StoreError>) -> Self {
        match error {
            TransactionError::Abort(error) => error,
            TransactionError::Storage(error) => error.into(),
        }
    }
}

impl From<UnabortableTransactionError> for TxError {
    fn from(error: UnabortableTransactionError) -> Self {
        match error {
            UnabortableTransactionError::Conflict => Self::Conflict,
            UnabortableTransactionError::Storage(error) => Self::Abort(error.into()),
        }
    }
}

impl From<TxError> for ConflictableTransactionError<StoreError> {
    fn from(error: TxError) -> Self {
        match error {
            TxError::Abort(error) => Self::Abort(error),
            TxError::Conflict => Self::Conflict,
        }
    }
}

impl Trees {
    pub(super) fn open(db: &sled::Db) -> Result<Self, StoreError> {
        let trees = NAMES.iter().map(|name| db.open_tree(name)).collect::<Result<_, _>>()?;
        let trees = Self { trees, old_values: OldValues::default() };
        trees.index_sessions(db)?;
        Ok(trees)
    }

    pub(in crate::store) fn tree(&self, table: Table) -> &Tree {
        &self.trees[table as usize]
    }

    pub(in crate::store) fn range(&self, table: Table, keys: KeyRange) -> sled::Iter {
        match keys {
            KeyRange { first, end: Some(end) } => self.tree(table).range(first..end),
            KeyRange { first, end: None } => self.tree(table).range(first..),
        }
    }

    /// Runs `job` as one transaction: all of what it writes, or none.
    pub(in crate::store) fn transaction<T>(
        &self,
        job: impl Fn(TreesTx<'_>) -> Transaction<T>,
    ) -> Result<T, StoreError> {
        let old_values = &self.old_values;
        let job = |open: &Vec<TransactionalTree>| Ok(job(TreesTx { open, old_values })?);
        Ok(self.trees[..].transaction(job)?)
    }

    /// Once, for a database of before there was an index, or one whose sessions were put there
    /// without. Cut short, it begins again.
    fn index_sessions(&self, db: &sled::Db) -> Result<(), StoreError> {
        let (sessions, index) = (self.tree(Table::Sessions), self.tree(Table::UserSessions));
        let is_kept = index.is_empty() == sessions.is_empty();
        if is_kept && db.contains_key(INDEXED)? {
            return Ok(());
        }
        db.remove(INDEXED)?;
        let mut by_user: HashMap<UserId, Vec<SessionId>> = HashMap::new();
        for entry in sessions {
            let (key, bytes) = entry?;
            let user = decode::<Session>(&bytes)?.user;
            by_user.entry(user).or_default().extend(SessionId::from_slice(&key));
        }
        for (user, ids) in by_user {
            index.insert(user.as_bytes(), encode(&ids))?;
        }
        db.insert(INDEXED, &[])?;
        Ok(())
    }
}

/// What sled found, as the store has it.
pub(in crate::store) fn entry(found: sled::Result<(IVec, IVec)>) -> Result<Entry, StoreError> {
    let (key, value) = found?;
    Ok((key.to_vec(), value.to_vec()))
}

/// Every tree, within a transaction.
pub(in crate::store) struct TreesTx<'a> {
    open: &'a [TransactionalTree],
    old_values: &'a OldValues,
}

impl TreesTx<'_> {
    pub(in crate::store) fn get(&self, table: Table, key: &[u8]) -> Transaction<Option<IVec>> {
        Ok(self.tree(table).get(key)?)
    }

    pub(in crate::store) fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Transaction<()> {
        let old = self.tree(table).insert(key, value)?;
        self.old_values.keep(table, key, old);
        Ok(())
    }

    pub(in crate::store) fn remove(&self, table: Table, key: &[u8]) -> Transaction<()> {
        let old = self.tree(table).remove(key)?;
        self.old_values.keep(table, key, old);
        Ok(())
    }

    fn tree(&self, table: Table) -> &TransactionalTree {
        &self.open[table as usize]
    }
}
