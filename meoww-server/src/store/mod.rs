//! What outlives the process. Every function is one whole transaction with a meaning of its own,
//! takes and gives domain types, and has reached the disk when it returns.

mod flush;
mod records;
pub mod sled;
mod trees;

pub use self::sled::Store;

use crate::core::{
    account::Account,
    otp::Verdict,
    session::{Session, SessionId},
};

/// Why the database could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database failed.
    #[error("database: {0}")]
    Broken(String),
    /// A record of a version this program does not know, or no record at all.
    #[error("database: unreadable record: {0}")]
    Unreadable(String),
}

/// A session about to be opened.
#[derive(Clone)]
pub struct NewSession {
    /// Freshly drawn.
    pub id: SessionId,
    /// What is stored under it.
    pub session: Session,
}

/// What became of a sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// The account is there and waits for its code.
    Created,
    /// Its name or address belongs to somebody else.
    Taken,
}

/// What became of a code a user sent.
pub enum Confirmation {
    /// The account is verified and the session open.
    Confirmed(Account),
    /// The code was looked at and not accepted.
    Refused(Verdict),
    /// No code waits for this user.
    NoChallenge,
}

/// What became of a request for a new code.
pub enum Reissue {
    /// The old code is void and the new one waits.
    Replaced(Account),
    /// There is no such account.
    NoAccount,
    /// The account needs no code.
    AlreadyVerified,
}

/// What became of a refresh token a client presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// It was replaced; this is whose session goes on.
    Rotated(SessionId, meoww_proto::UserId),
    /// It was spent before, so its session was ended.
    Reused,
    /// No session has it.
    Unknown,
}
