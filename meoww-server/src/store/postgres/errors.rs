//! What can be wrong with PostgreSQL, each with its own sentence: at the start, and while it runs.

use std::error::Error;

use tokio_postgres::error::SqlState;

use crate::store::transaction::TxError;

/// Why PostgreSQL could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DatabaseError {
    /// Nobody answers there.
    #[error(
        "the database at {place} cannot be reached ({reason}): start it, or correct the host \
         and port in MEOWW_DATABASE_URL"
    )]
    Unreachable {
        /// Hosts and ports.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// It does not let us in.
    #[error(
        "the database at {place} refuses user and password ({reason}): correct them in \
         MEOWW_DATABASE_URL, or its pg_hba.conf"
    )]
    Denied {
        /// Hosts and ports.
        place: String,
        /// The error message of the database.
        reason: String,
    },
    /// It has no connection left for us.
    #[error(
        "the database at {place} has no free connection ({reason}): raise its max_connections, or \
         lower MEOWW_DATABASE_CONNECTIONS of each server"
    )]
    TooMany {
        /// Hosts and ports.
        place: String,
        /// The error message of the database.
        reason: String,
    },
    /// It has no database of that name.
    #[error("{reason} at {place}: make it with `createdb`, or correct MEOWW_DATABASE_URL")]
    NoDatabase {
        /// Hosts and ports.
        place: String,
        /// The error message of the database.
        reason: String,
    },
    /// All hosts are standbys.
    #[error(
        "the database at {place} takes no writes: name the primary in MEOWW_DATABASE_URL, or \
         all hosts, separated by commas"
    )]
    ReadOnly {
        /// Hosts and ports.
        place: String,
    },
    /// There is no TLS as the URL demands it.
    #[error(
        "no TLS with the database ({0}): sslmode in MEOWW_DATABASE_URL says what is demanded, the \
         host is a name in its certificate, and sslrootcert names the file of its authority"
    )]
    Tls(String),
    /// A later program has been there.
    #[error(
        "the database has version {found} of the tables, and this program knows {known}: install \
         the newer meoww-server here as well"
    )]
    Newer {
        /// The error message of the database.
        found: i32,
        /// What this program has.
        known: i32,
    },
    /// A server with another secret has been there.
    #[error(
        "{name} is not that of the other servers on this database: give all of them the same. To \
         change it for all, stop them and run in the database: DELETE FROM meta WHERE key = '{key}'"
    )]
    OtherSecret {
        /// Which one.
        name: &'static str,
        /// Its row.
        key: String,
    },
    /// Two clocks differ.
    #[error(
        "the clock of this machine is {} ms {} that of the database: set both by NTP",
        ahead_ms.unsigned_abs(),
        if *ahead_ms > 0 { "ahead of" } else { "behind" }
    )]
    ClockSkew {
        /// By how much ours is ahead, in milliseconds.
        ahead_ms: i64,
    },
    /// Every connection is in use.
    #[error("every connection to the database is in use (MEOWW_DATABASE_CONNECTIONS)")]
    Exhausted,
    /// Its disk is full; nothing was written.
    #[error("the disk of the database has no room left ({0}): make room on it")]
    Full(String),
    /// It went away, lacks something, or says it is about to end; nothing was written.
    #[error("the database is away: {0}")]
    Away(String),
    /// It went away between a commit and its answer.
    #[error("the database went away before it answered whether it keeps a change")]
    Unknown,
    /// Many commits wait for their answers, and nothing was written.
    #[error(
        "the database takes changes and does not say that it keeps them: a standby that it waits for \
         (synchronous_standby_names) is away, or it hangs"
    )]
    Stalled,
    /// Others wrote the same again and again.
    #[error("the database is busy: others change the same")]
    Busy,
    /// It refused a statement.
    #[error("database: {0}")]
    Broken(String),
}

impl From<DatabaseError> for TxError {
    fn from(error: DatabaseError) -> Self {
        Self::Abort(error.into())
    }
}

impl DatabaseError {
    /// Whether to ask again later may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TooMany { .. }
            | Self::ReadOnly { .. }
            | Self::Exhausted
            | Self::Full(_)
            | Self::Away(_)
            | Self::Unknown
            | Self::Stalled
            | Self::Busy => true,
            Self::Denied { .. }
            | Self::NoDatabase { .. }
            | Self::Tls(_)
            | Self::Newer { .. }
            | Self::OtherSecret { .. }
            | Self::ClockSkew { .. }
            | Self::Broken(_) => false,
        }
    }

    /// Of a connection that was not made.
    pub(super) fn on_connecting(place: &str, error: &tokio_postgres::Error) -> Self {
        let (place, reason) = (place.to_owned(), reason(error));
        let code = error.code();
        let is = |states: &[SqlState]| code.is_some_and(|code| states.contains(code));
        let denied = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
        // Which kind of error it is, the library says in words alone.
        let text = error.to_string();
        // Of the configuration only a password can be missing, which no one asked for before.
        let words = ["authentication error", "invalid configuration"];
        if is(&denied) || words.iter().any(|words| text.starts_with(words)) {
            Self::Denied { place, reason }
        } else if is(&[SqlState::TOO_MANY_CONNECTIONS]) {
            Self::TooMany { place, reason }
        } else if is(&[SqlState::INVALID_CATALOG_NAME]) {
            Self::NoDatabase { place, reason }
        } else if text.starts_with("error performing TLS handshake") {
            Self::Tls(reason)
        } else if reason.contains("does not allow writes") {
            Self::ReadOnly { place }
        } else if code.is_some_and(is_absence) {
            Self::Away(reason)
        } else {
            Self::Unreachable { place, reason }
        }
    }

    /// Of a statement.
    pub(super) fn on_statement(error: &tokio_postgres::Error) -> Self {
        let reason = reason(error);
        match error.code() {
            Some(code) if is_conflict(code) => Self::Busy,
            Some(code) if *code == SqlState::DISK_FULL => Self::Full(reason),
            Some(code) if is_absence(code) => Self::Away(reason),
            Some(_) => Self::Broken(reason),
            None if is_loss(error) => Self::Away(reason),
            None => Self::Broken(reason),
        }
    }

    /// Whether the connection is of no more use.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Unknown)
    }
}

/// Another transaction was in the way.
fn is_conflict(code: &SqlState) -> bool {
    [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
}

/// The server ends, begins, lacks something, or is no primary any more.
fn is_absence(code: &SqlState) -> bool {
    // Connections, resources, an operator who steps in, and the system under it (PostgreSQL's manual,
    // appendix A).
    let classes = ["08", "53", "57", "58"];
    let states = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    states.contains(code) || classes.iter().any(|class| code.code().starts_with(class))
}

/// Whether the connection broke, by which nothing is said of what was sent.
pub(super) fn is_loss(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    error.is_closed() || text.starts_with("error communicating") || text.starts_with("timeout")
}

/// What went wrong, with the reasons behind it; passwords are in none of them.
fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = error.source();
    }
    reason
}
