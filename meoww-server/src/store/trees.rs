//! The trees on disk and the transactions over them. A transaction may run more than once before it
//! commits, so it decides from what it reads and does nothing else.

use meoww_proto::UserId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sled::{
    Tree,
    transaction::{
        ConflictableTransactionError, ConflictableTransactionResult, TransactionError,
        TransactionalTree,
    },
};
use time::OffsetDateTime;

use super::{StoreError, kinds::KINDS, records::decode};
use crate::core::{account::Account, session::SessionId};

#[derive(Clone)]
pub(super) struct Trees {
    /// User id -> [`Account`].
    pub(super) accounts: Tree,
    /// E-mail -> user id.
    pub(super) emails: Tree,
    /// Username -> user id.
    pub(super) usernames: Tree,
    /// User id -> [`Challenge`].
    pub(super) challenges: Tree,
    /// E-mail -> [`Challenge`], whether or not there is such an account.
    pub(super) resets: Tree,
    /// User id -> [`AddressChange`](super::addresses::AddressChange).
    pub(super) address_changes: Tree,
    /// Session id -> [`Session`].
    pub(super) sessions: Tree,
    /// User id -> ids of its sessions, oldest first.
    pub(super) user_sessions: Tree,
    /// Digest of every refresh token a session had -> [`IssuedToken`].
    pub(super) tokens: Tree,
    /// User id, then the id of whom they block -> [`Block`](crate::core::safety::Block).
    pub(super) blocks: Tree,
    /// Report id -> [`Report`](crate::core::safety::Report).
    pub(super) reports: Tree,
    /// User id, then the id of a report by them or about them -> which of the two.
    pub(super) report_parties: Tree,
    /// What [`Store::probe`](super::Store) writes; of no other use.
    pub(super) probe: Tree,
}

/// A refresh token that is or was good.
#[derive(Serialize, Deserialize)]
pub(super) struct IssuedToken {
    pub(super) session: SessionId,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub(super) expires_at: OffsetDateTime,
}

pub(super) type Transaction<T> = ConflictableTransactionResult<T, StoreError>;

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

impl Trees {
    pub(super) fn open(db: &sled::Db) -> Result<Self, StoreError> {
        let trees = Self {
            accounts: db.open_tree("accounts")?,
            emails: db.open_tree("emails")?,
            usernames: db.open_tree("usernames")?,
            challenges: db.open_tree("challenges")?,
            resets: db.open_tree("password_resets")?,
            address_changes: db.open_tree("address_changes")?,
            sessions: db.open_tree("sessions")?,
            user_sessions: db.open_tree("user_sessions")?,
            tokens: db.open_tree("refresh_tokens")?,
            blocks: db.open_tree("blocks")?,
            reports: db.open_tree("reports")?,
            report_parties: db.open_tree("report_parties")?,
            probe: db.open_tree("probe")?,
        };
        trees.index_sessions(db)?;
        Ok(trees)
    }

    /// Whether there is no record of any kind.
    pub(super) fn hold_nothing(&self) -> bool {
        KINDS.iter().all(|kind| (kind.tree)(self).is_empty())
    }

    pub(super) fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.accounts.get(user.as_bytes())?.map(|bytes| decode(&bytes)).transpose()
    }
}

pub(super) fn get<T: DeserializeOwned>(
    tree: &TransactionalTree,
    key: &[u8],
) -> Transaction<Option<T>> {
    let bytes = tree.get(key)?;
    bytes.map(|bytes| decode(&bytes)).transpose().map_err(ConflictableTransactionError::Abort)
}

pub(super) fn remove_account(
    accounts: &TransactionalTree,
    emails: &TransactionalTree,
    usernames: &TransactionalTree,
    challenges: &TransactionalTree,
    account: &Account,
) -> Transaction<()> {
    accounts.remove(account.id.as_bytes())?;
    emails.remove(account.email.as_str())?;
    usernames.remove(account.username.as_str())?;
    challenges.remove(account.id.as_bytes())?;
    Ok(())
}

pub(super) fn user_id(bytes: &[u8]) -> Result<UserId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Unreadable("user id".into()))?;
    Ok(UserId::from_bytes(bytes))
}

pub(super) fn purge<T: DeserializeOwned>(
    tree: &Tree,
    is_over: impl Fn(&T) -> bool,
) -> Result<(), StoreError> {
    for entry in tree {
        let (key, bytes) = entry?;
        if is_over(&decode(&bytes)?) {
            tree.compare_and_swap(&key, Some(&bytes), None::<&[u8]>)?.ok();
        }
    }
    Ok(())
}
