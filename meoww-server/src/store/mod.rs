//! What outlives the process. Every function is one whole transaction with a meaning of its own,
//! takes and gives domain types, and has reached the disk when it returns.

mod accounts;
mod addresses;
mod codes;
mod flush;
mod opening;
mod records;
mod resets;
mod safety;
mod session_trees;
mod sessions;
pub mod sled;
mod trees;

pub use self::{
    accounts::Creation,
    addresses::AddressConfirmation,
    codes::{Confirmation, Reissue},
    safety::{Filing, ReportFilter},
    sessions::{NewSession, Refresh},
    sled::Store,
};

use std::path::PathBuf;

/// Why the database could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database failed.
    #[error("database: {0}")]
    Broken(String),
    /// What was acknowledged is not all there any more.
    #[error(
        "the database in {directory} is damaged: {what}. Keep a copy of that directory, move it \
         away and bring the last export back with `meoww-server db restore BACKUP` or `meoww-server \
         db import EXPORT`"
    )]
    Damaged {
        /// Where it is.
        directory: PathBuf,
        /// How it was found out.
        what: String,
    },
    /// A record of a version this program does not know, or no record at all.
    #[error("database: unreadable record: {0}")]
    Unreadable(String),
}
