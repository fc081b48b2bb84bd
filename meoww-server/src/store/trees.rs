//! The tables on disk: one sled tree each.

use meoww_proto::UserId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sled::Tree;
use time::OffsetDateTime;

use super::{StoreError, kinds::KINDS, records::decode, snapshot::OldValues};
use crate::core::{
    account::{Account, Email},
    session::SessionId,
};

/// A table. Those with records come first, in the order of [`KINDS`]; the others are made from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// User id -> [`Account`].
    Accounts,
    /// User id -> [`Challenge`](crate::core::otp::Challenge).
    Challenges,
    /// E-mail -> [`Challenge`](crate::core::otp::Challenge), whether or not there is such an account.
    Resets,
    /// User id -> [`AddressChange`](super::addresses::AddressChange).
    AddressChanges,
    /// Session id -> [`Session`](crate::core::session::Session).
    Sessions,
    /// Digests of the present and the last refresh token of a session -> [`IssuedToken`].
    Tokens,
    /// User id, then the id of whom they block -> [`Block`](crate::core::safety::Block).
    Blocks,
    /// Report id -> [`Report`](crate::core::safety::Report).
    Reports,
    /// Purpose and subject of a mail -> [`QueuedMail`](crate::core::mail_queue::QueuedMail).
    MailQueue,
    /// E-mail -> user id.
    Emails,
    /// Username -> user id.
    Usernames,
    /// User id -> ids of its sessions.
    UserSessions,
    /// User id, then the id of a report by them or about them -> which of the two.
    ReportParties,
    /// What [`Store::probe`](super::Store) writes; of no other use.
    Probe,
}

/// Names of the trees on disk, in the order of [`Table`].
const NAMES: [&str; 14] = [
    "accounts",
    "challenges",
    "password_resets",
    "address_changes",
    "sessions",
    "refresh_tokens",
    "blocks",
    "reports",
    "mail_queue",
    "emails",
    "usernames",
    "user_sessions",
    "report_parties",
    "probe",
];

/// The open tables.
pub(super) struct Trees {
    trees: Vec<Tree>,
    pub(super) old_values: OldValues,
}

/// A refresh token that is or was good.
#[derive(Serialize, Deserialize)]
pub(super) struct IssuedToken {
    pub(super) session: SessionId,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub(super) expires_at: OffsetDateTime,
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Trees {
    pub(super) fn open(db: &sled::Db) -> Result<Self, StoreError> {
        let trees = NAMES.iter().map(|name| db.open_tree(name)).collect::<Result<_, _>>()?;
        let trees = Self { trees, old_values: OldValues::default() };
        trees.index_sessions(db)?;
        Ok(trees)
    }

    pub(super) fn tree(&self, table: Table) -> &Tree {
        &self.trees[table as usize]
    }

    /// Every tree, in the order of [`Table`].
    pub(super) fn all(&self) -> Vec<&Tree> {
        self.trees.iter().collect()
    }

    /// Whether there is no record of any kind.
    pub(super) fn hold_nothing(&self) -> bool {
        KINDS.iter().all(|kind| self.tree(kind.table).is_empty())
    }

    /// Reads one record outside a transaction.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<T>, StoreError> {
        self.tree(table).get(key)?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) fn contains(&self, table: Table, key: impl AsRef<[u8]>) -> Result<bool, StoreError> {
        Ok(self.tree(table).contains_key(key)?)
    }

    /// Returns the user whom an index by name or address has under `key`.
    pub(super) fn holder(&self, index: Table, key: &str) -> Result<Option<UserId>, StoreError> {
        self.tree(index).get(key)?.map(|id| user_id(&id)).transpose()
    }

    pub(super) fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.get(Table::Accounts, user.as_bytes())
    }

    pub(super) fn account_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        match self.holder(Table::Emails, email.as_str())? {
            Some(user) => self.account(user),
            None => Ok(None),
        }
    }
}

pub(super) fn user_id(bytes: &[u8]) -> Result<UserId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Unreadable("user id".into()))?;
    Ok(UserId::from_bytes(bytes))
}
