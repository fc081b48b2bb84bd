//! Records from elsewhere: all are looked at before the first is written. They may be more than fit in
//! memory, so they wait in files, and what is held of each is what shows that it came twice.

mod parse;
mod select;
mod spool;

use std::{collections::BTreeMap, path::Path};

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};

use self::{select::Selection, spool::Spool};
use super::{
    NewSession, Store, StoreError,
    export::Lines,
    index::IndexEntry,
    kinds::{KINDS, Kind},
    records::encode,
    tables::{IssuedToken, Tables},
};
use crate::core::account::Account;

/// Records in one transaction.
const CHUNK: usize = 256;

/// Records that are well-formed and wait to be written.
pub struct Batch {
    spool: Spool,
}

impl Default for Batch {
    fn default() -> Self {
        Self { spool: Spool::new(None) }
    }
}

struct Ready {
    line: u64,
    kind: &'static Kind,
    key: Vec<u8>,
    value: Vec<u8>,
    migration: Option<Box<Migration>>,
}

/// What becomes different of an account of another program.
#[derive(Default, Serialize, Deserialize)]
struct Migration {
    refused: Option<String>,
    changes: Vec<Change>,
}

/// An account of another program.
pub struct Migrated {
    /// As it will be, but for the username if the old one was refused.
    pub account: Account,
    /// The old username, if it breaks the rules: the account gets one that is free.
    pub refused: Option<String>,
    /// What else is different.
    pub changes: Vec<Change>,
}

/// A field that an account does not bring along as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// As the other program called it.
    pub field: String,
    /// What it was, perhaps cut to length.
    pub old: String,
    /// What it is.
    pub new: String,
}

impl Change {
    pub(crate) fn new(field: &str, old: impl Into<String>, new: impl Into<String>) -> Self {
        Self { field: field.into(), old: old.into(), new: new.into() }
    }
}

/// An account that comes along with a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Where it is in the file, counted from 1.
    pub line: u64,
    /// Whose account it is.
    pub user: UserId,
    /// Where its owner can be told.
    pub email: String,
    /// What is different.
    #[serde(flatten)]
    pub change: Change,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Counted from 1; 0 where it is about no line.
    pub line: u64,
    /// Whose account is on it, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// For people.
    pub reason: String,
}

impl Fault {
    /// Where it is not known whose account it is.
    pub(crate) fn at(line: u64, reason: impl Into<String>) -> Self {
        Self { line, user: None, reason: reason.into() }
    }
}

/// What to do about what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Merge {
    /// Whether anything may be there; what is there is kept.
    pub into_existing: bool,
    /// Whether the good lines go in where others are faulty.
    pub despite_faults: bool,
    /// Whether an account whose username is taken gets another one.
    pub rename: bool,
    /// Whether to stop before anything is written.
    pub dry_run: bool,
}

/// What became of a [`Batch`].
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// By type.
    pub added: BTreeMap<String, u64>,
    /// Were there already.
    pub kept: u64,
    /// Belong to an account that is neither there nor in the batch.
    pub orphans: u64,
    /// Were added, and are not as they were.
    #[serde(default)]
    pub changed: Vec<Changed>,
    /// Were not taken.
    pub faults: Vec<Fault>,
}

impl Batch {
    /// Keeps what is large in files of this directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { spool: Spool::new(Some(directory)) }
    }

    /// Accounts made here, each with the line it came from.
    pub fn of_accounts(accounts: impl IntoIterator<Item = (u64, Account)>) -> Self {
        let mut batch = Self::default();
        for (line, account) in accounts {
            batch.spool.push(&Ready::account(line, &account));
        }
        batch
    }

    /// Adds an account of another program.
    pub fn add_migrated(&mut self, line: u64, Migrated { account, refused, changes }: Migrated) {
        let mut ready = Ready::account(line, &account);
        if refused.is_some() || !changes.is_empty() {
            ready.migration = Some(Box::new(Migration { refused, changes }));
        }
        self.spool.push(&ready);
    }

    /// Adds a session of an account that is in the batch.
    pub fn add_session(&mut self, NewSession { id, session }: &NewSession) {
        let token = IssuedToken { session: *id, expires_at: session.expires_at };
        for (name, key, value) in [
            ("session", id.as_bytes().to_vec(), encode(session)),
            ("refresh-token", session.current.as_bytes().to_vec(), encode(&token)),
        ] {
            if let Some(kind) = Kind::named(name) {
                self.spool.push(&Ready { line: 0, kind, key, value, migration: None });
            }
        }
    }

    /// What an export says once this is all there is.
    pub(crate) fn export(&mut self) -> Result<Vec<u8>, StoreError> {
        let mut lines = Lines::begin(Vec::new())?;
        for kind in &KINDS {
            for ready in self.spool.read()? {
                let ready = ready?;
                if ready.kind.name == kind.name {
                    lines.record(kind, &ready.key, &ready.value)?;
                }
            }
        }
        Ok(lines.end()?.0)
    }
}

impl Ready {
    fn account(line: u64, account: &Account) -> Self {
        let (key, value) = (account.id.as_bytes().to_vec(), encode(account));
        Self { line, kind: &KINDS[0], key, value, migration: None }
    }
}

impl Store {
    /// Writes a batch, with nothing else written meanwhile. With faults, unless they are allowed,
    /// nothing is written.
    pub async fn import(&self, batch: Batch, merge: Merge) -> Result<Imported, StoreError> {
        self.write_alone(move |tables| tables.import(batch, merge)).await
    }
}

impl Tables {
    fn import(&self, batch: Batch, merge: Merge) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        if !merge.into_existing && !self.hold_nothing()? {
            imported.faults.push(Fault::at(0, "the database is not empty"));
            return Ok(imported);
        }
        let (mut new, added) = Selection::of(batch, self, merge.rename, &mut imported)?;
        if !imported.faults.is_empty() && !merge.despite_faults {
            return Ok(imported);
        }
        imported.added = added;
        if !merge.dry_run {
            let mut records = new.read()?;
            loop {
                let chunk: Vec<_> = records.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
                if chunk.is_empty() {
                    break;
                }
                self.put(&chunk)?;
            }
        }
        Ok(imported)
    }

    /// Writes a chunk in one transaction, with what finds its records.
    fn put(&self, chunk: &[Ready]) -> Result<(), StoreError> {
        self.transaction(|tx| {
            for Ready { kind, key, value, .. } in chunk {
                tx.put_bytes(kind.table, key, value)?;
                for pointer in IndexEntry::to(kind, key, value)? {
                    pointer.put(tx)?;
                }
            }
            Ok(())
        })
    }
}
