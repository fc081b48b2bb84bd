//! What outlives the process. Every function is one whole transaction with a meaning of its own,
//! takes and gives domain types, and has reached the disk when it returns.

mod accounts;
mod addresses;
mod arrivals;
mod check;
mod codes;
mod export;
mod flush;
mod import;
mod kinds;
mod opening;
mod operator;
mod photos;
mod pointers;
mod probe;
mod purge;
mod records;
mod resets;
mod safety;
mod session_trees;
mod sessions;
pub mod sled;
mod trees;

pub(crate) use self::arrivals::Arrival;
pub use self::{
    accounts::Creation,
    addresses::AddressConfirmation,
    check::Finding,
    codes::{Confirmation, Reissue},
    export::FORMAT_VERSION,
    import::{Batch, Fault, Imported, Merge},
    operator::{AccountCounts, AccountFilter},
    photos::PhotoChange,
    safety::{Filing, ReportFilter},
    sessions::{NewSession, Refresh},
    sled::Store,
};

use std::path::{Path, PathBuf};

/// Why the database could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database failed.
    #[error("database: {0}")]
    Broken(String),
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
    /// A record of a version this program does not know, or no record at all.
    #[error("database: unreadable record: {0}")]
    Unreadable(String),
    /// What it holds cannot be written where it was asked to go.
    #[error("export: {0}")]
    Export(String),
}
