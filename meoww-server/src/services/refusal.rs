//! Every way an operation is refused.

use std::{borrow::Cow, time::Duration};

use meoww_proto::{UserId, error::ApiErrorCode};

use crate::{
    core::account::{Ban, InvalidField},
    hashing::HashError,
    photos::{PhotoError, StorageError},
    store::StoreError,
};

/// Why a request was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request makes no sense, or not now.
    Invalid(Cow<'static, str>),
    /// Likewise, in a way a program may want to tell apart.
    Rejected(ApiErrorCode, Cow<'static, str>),
    /// No such account, or not its password.
    InvalidCredentials,
    /// The request carries no valid token.
    Unauthenticated(&'static str),
    /// Right password, unconfirmed address.
    EmailNotVerified(UserId),
    /// The operators shut the account out.
    Banned(Ban),
    /// A web page of a foreign origin.
    ForeignOrigin,
    /// No such route.
    NotFound,
    /// A route, but not by this method.
    MethodNotAllowed,
    /// The client took too long to send the body.
    TooSlow,
    /// The body is over the bound.
    TooLarge,
    /// The body is neither JSON nor a form.
    UnsupportedBody,
    /// The body is compressed in a way we do not know.
    UnknownEncoding,
    /// The body is no multipart form.
    NotMultipart,
    /// Over a rate limit, and until when.
    TooMany(&'static str, Duration),
    /// The server has more work than it can do.
    Busy,
    /// The disk failed, and the database takes no more.
    NothingKept,
    /// Our own fault; the log has the details.
    Internal,
}

impl Refusal {
    /// Another account has the address.
    pub(crate) fn address_taken() -> Self {
        Self::Rejected(ApiErrorCode::Taken, "Email already exists".into())
    }
}

impl From<InvalidField> for Refusal {
    fn from(error: InvalidField) -> Self {
        Self::Rejected(ApiErrorCode::InvalidInput, error.to_string().into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if let StoreError::Stopped = error {
            // Said once, when it stopped.
            return Self::NothingKept;
        }
        if let StoreError::Database(error) = &error
            && error.is_passing()
        {
            tracing::warn!(%error, "request was put off");
            return Self::Busy;
        }
        tracing::error!(%error, "request failed");
        Self::Internal
    }
}

impl From<HashError> for Refusal {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Refused(reason) => reason.into(),
            HashError::Failed(_) => {
                tracing::error!(%error, "request failed");
                Self::Internal
            }
        }
    }
}

impl From<PhotoError> for Refusal {
    fn from(error: PhotoError) -> Self {
        match error {
            PhotoError::Busy => Self::Busy,
            PhotoError::Picture(error) => Self::Invalid(error.to_string().into()),
            PhotoError::Failed(_) => {
                tracing::error!(%error, "request failed");
                Self::Internal
            }
        }
    }
}

impl From<StorageError> for Refusal {
    /// Where photos are kept is often another server, which comes back.
    fn from(error: StorageError) -> Self {
        tracing::error!(%error, "request failed");
        Self::Busy
    }
}
