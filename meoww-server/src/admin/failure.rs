//! The ways a command fails, and the exit code of each.

use std::{io, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    config::ConfigError,
    core::account::InvalidField,
    fleet::bus::BusError,
    hashing::HashError,
    services::StartError,
    store::{DatabaseError, Fault, StoreError},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("{0}")]
    Running(#[from] io::Error),
    #[error(transparent)]
    Refused(#[from] Problem),
}

/// Why a request was not answered; it may have come over the socket.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

/// What to make of a [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Failed,
    Usage,
    DataDirectory,
    NoServer,
    NotFound,
    FoundWrong,
    Taken,
    Silent,
}

impl Problem {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// For what was looked for and is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::Failed, error.to_string())
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        let kind = match &error {
            HashError::Refused(_) => Kind::Usage,
            HashError::Busy | HashError::Failed(_) => Kind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<InvalidField> for Problem {
    fn from(error: InvalidField) -> Self {
        Self::new(Kind::Usage, error.to_string())
    }
}

impl From<&Fault> for Problem {
    fn from(fault: &Fault) -> Self {
        Self::new(Kind::Taken, fault.reason.clone())
    }
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Running(_) => 1,
            Self::Config(ConfigError::WeakSecret { .. })
            | Self::Start(StartError::Config(ConfigError::WeakSecret { .. })) => 6,
            Self::Config(_) | Self::Start(StartError::Config(_) | StartError::Tls(_)) => 3,
            Self::Listen(..) | Self::Start(StartError::Listen(..)) => 5,
            Self::Start(StartError::Store(StoreError::Database(error))) => elsewhere(error),
            Self::Start(StartError::Bus(error)) => bus(error),
            Self::Start(_) => 4,
            Self::Refused(problem) => match problem.kind {
                Kind::Failed => 1,
                Kind::Usage => 2,
                Kind::DataDirectory => 4,
                Kind::NoServer => 7,
                Kind::NotFound => 8,
                Kind::FoundWrong => 9,
                Kind::Taken => 10,
                Kind::Silent => 19,
            },
        }
    }
}

/// Returns the exit code for a fault of NATS.
fn bus(error: &BusError) -> u8 {
    match error {
        BusError::Url(_) => 3,
        BusError::Unreachable { .. } => 20,
        BusError::Refused(_) => 21,
        BusError::SmallPayload(_) => 22,
        BusError::Tls { .. } => 25,
    }
}

/// Returns the exit code for a fault of a database elsewhere.
fn elsewhere(error: &DatabaseError) -> u8 {
    match error {
        DatabaseError::Unreachable { .. }
        | DatabaseError::Exhausted
        | DatabaseError::Away(_)
        | DatabaseError::Unknown
        | DatabaseError::Stalled
        | DatabaseError::Busy => 11,
        DatabaseError::Denied { .. } => 12,
        DatabaseError::NoDatabase { .. } => 13,
        DatabaseError::Newer { .. } => 14,
        DatabaseError::ReadOnly { .. } => 15,
        DatabaseError::Tls(_) => 16,
        DatabaseError::OtherSecret { .. } => 17,
        DatabaseError::ClockSkew { .. } => 18,
        DatabaseError::TooMany { .. } => 23,
        DatabaseError::Full(_) => 24,
        DatabaseError::Broken(_) => 4,
    }
}
