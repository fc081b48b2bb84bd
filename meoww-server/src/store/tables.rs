//! The tables, and what a job does with them on either engine.

use meoww_proto::UserId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;
use time::OffsetDateTime;

use super::{
    StoreError,
    kinds::KINDS,
    postgres::{Connection, Order},
    records::decode,
    scan::{KeyRange, Scan},
    sled::{Trees, entry},
};
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

/// Names of the tables in the database, in the order of [`Table`].
pub(super) const NAMES: [&str; 14] = [
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

/// A refresh token that is or was good.
#[derive(Serialize, Deserialize)]
pub(super) struct IssuedToken {
    pub(super) session: SessionId,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub(super) expires_at: OffsetDateTime,
}

/// The tables of the engine that a job runs on. A job blocks, so it runs where blocking hurts nobody.
pub(super) enum Tables {
    Sled(Arc<Trees>),
    Postgres(Box<Connection>),
}

impl Table {
    /// Every table, in their order.
    pub(super) const ALL: [Self; 14] = [
        Self::Accounts,
        Self::Challenges,
        Self::Resets,
        Self::AddressChanges,
        Self::Sessions,
        Self::Tokens,
        Self::Blocks,
        Self::Reports,
        Self::MailQueue,
        Self::Emails,
        Self::Usernames,
        Self::UserSessions,
        Self::ReportParties,
        Self::Probe,
    ];
}

impl Tables {
    /// Reads one record outside a transaction.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sled(trees) => {
                trees.tree(table).get(key)?.map(|bytes| decode(&bytes)).transpose()
            }
            Self::Postgres(database) => {
                database.get(table, key.as_ref())?.map(|bytes| decode(&bytes)).transpose()
            }
        }
    }

    /// Likewise, as it lies in the database.
    pub(super) fn get_bytes(
        &self,
        table: Table,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Sled(trees) => Ok(trees.tree(table).get(key)?.map(|bytes| bytes.to_vec())),
            Self::Postgres(database) => Ok(database.get(table, key.as_ref())?),
        }
    }

    pub(super) fn contains(&self, table: Table, key: impl AsRef<[u8]>) -> Result<bool, StoreError> {
        match self {
            Self::Sled(trees) => Ok(trees.tree(table).contains_key(key)?),
            Self::Postgres(database) => Ok(database.contains(table, key.as_ref())?),
        }
    }

    /// Goes through a range of keys, in their order.
    pub(super) fn scan(&self, table: Table, keys: KeyRange) -> Scan<'_> {
        match self {
            Self::Sled(trees) => Box::new(trees.range(table, keys).map(entry)),
            Self::Postgres(database) => database.scan(table, keys, Order::Forward),
        }
    }

    /// Likewise, from the last to the first.
    pub(super) fn scan_back(&self, table: Table, keys: KeyRange) -> Scan<'_> {
        match self {
            Self::Sled(trees) => Box::new(trees.range(table, keys).rev().map(entry)),
            Self::Postgres(database) => database.scan(table, keys, Order::Back),
        }
    }

    /// Whether there is anything in a range.
    pub(super) fn has_any(&self, table: Table, keys: KeyRange) -> Result<bool, StoreError> {
        match self {
            Self::Sled(trees) => Ok(trees.range(table, keys).next().transpose()?.is_some()),
            Self::Postgres(database) => Ok(database.has_any(table, &keys)?),
        }
    }

    pub(super) fn count(&self, table: Table) -> Result<u64, StoreError> {
        match self {
            Self::Sled(trees) => Ok(trees.tree(table).len() as u64),
            Self::Postgres(database) => Ok(database.count(table)?),
        }
    }

    /// Whether there is no record of any kind.
    pub(super) fn hold_nothing(&self) -> Result<bool, StoreError> {
        for kind in &KINDS {
            if self.has_any(kind.table, KeyRange::all())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the user whom an index by name or address has under `key`.
    pub(super) fn holder(&self, index: Table, key: &str) -> Result<Option<UserId>, StoreError> {
        self.get_bytes(index, key)?.map(|id| user_id(&id)).transpose()
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
