//! What outlives the process. Every function is one whole transaction with a meaning of its own,
//! takes and gives domain types, and has reached the disk when it returns.

mod accounts;
mod addresses;
mod arrivals;
mod changes;
mod check;
mod codes;
mod engine;
mod export;
pub(crate) mod exports;
mod import;
mod index;
mod kinds;
mod mail_queue;
mod operator;
mod photos;
mod postgres;
mod probe;
mod purge;
mod records;
mod resets;
mod safety;
mod scan;
mod session_index;
mod sessions;
mod shared;
mod sled;
mod tables;
mod tallies;
mod transaction;

pub use self::{
    accounts::Creation,
    addresses::AddressConfirmation,
    check::{Finding, MAX_FINDINGS},
    codes::{Confirmation, Reissue},
    engine::Store,
    export::FORMAT_VERSION,
    import::{Batch, Change, Changed, Fault, Imported, Merge, Migrated},
    mail_queue::MailDue,
    operator::{AccountCounts, AccountFilter},
    photos::PhotoChange,
    postgres::DatabaseError,
    safety::{Filing, ReportFilter},
    sessions::{NewSession, Refresh},
};
pub(crate) use self::{
    arrivals::Arrival,
    changes::{Changes, UserChange},
    shared::SharedSecret,
    tallies::{Tally, TallyKey},
};

pub(crate) use self::sled::OnMissingDatabase;

use std::path::{Path, PathBuf};

/// Why the database could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database failed.
    #[error("database: {0}")]
    Broken(String),
    /// PostgreSQL failed, or refuses us.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A flush failed before: nothing more is kept until the database is opened again.
    #[error("the disk failed or was full: nothing more is kept until the server is started again")]
    Stopped,
    /// What was acknowledged is not all there any more.
    #[error(
        "the database in {directory} is damaged: {what}. Keep that directory under another name, \
         then bring back the last export: `meoww-server --data-dir {} db import {}`",
        directory.parent().unwrap_or(directory).display(),
        export.as_deref().unwrap_or(Path::new("EXPORT")).display()
    )]
    Damaged {
        /// Where it is.
        directory: PathBuf,
        /// How it was found out.
        what: String,
        /// The newest one the server made for itself.
        export: Option<PathBuf>,
    },
    /// There was a database, and there is none any more.
    #[error(
        "there is no database in {}, but there was one: of it are left {}. If its disk is not \
         mounted, mount it. Otherwise bring back {}. To begin with an empty one on purpose, move \
         away what is left",
        data_dir.join("db").display(),
        listed(remains),
        way_back(data_dir, export.as_deref())
    )]
    Lost {
        /// The directory around it.
        data_dir: PathBuf,
        /// The newest one the server made for itself.
        export: Option<PathBuf>,
        /// What tells of it, beside the place where it was.
        remains: Vec<PathBuf>,
    },
    /// A record of a version this program does not know, or no record at all.
    #[error("database: unreadable record: {0}")]
    Unreadable(String),
    /// What it holds cannot be written where it was asked to go.
    #[error("export: {0}")]
    Export(String),
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

fn way_back(data_dir: &Path, export: Option<&Path>) -> String {
    let command = format!("meoww-server --data-dir {} db", data_dir.display());
    match export {
        Some(export) => format!("the last export: `{command} import {}`", export.display()),
        None => format!("a backup: `{command} restore BACKUP`"),
    }
}
