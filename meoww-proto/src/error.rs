//! Codes for what a program may want to tell apart. The text beside a code is for people.

use serde::{Deserialize, Serialize};

/// Code of an `error` event on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalErrorCode {
    /// Not JSON, not an event, or a payload of the wrong shape.
    BadEvent,
    /// An event of no known name.
    UnknownEvent,
    /// Larger than [`crate::limits`] allows.
    TooLarge,
    /// More events than the connection's allowance; the event was dropped.
    RateLimited,
    /// The event needs a room and the connection is in none.
    NotInRoom,
    /// The event names a room that is not the connection's present one; it was dropped.
    WrongRoom,
    /// The partner's connection is lost at the moment; the event was not passed on.
    PartnerAway,
    /// The partner reads too slowly, and more would not fit into its queue; the event was not passed
    /// on, and the partner's connection is cut.
    PartnerSlow,
    /// The candidate belongs to no description that its sender sent in this room; it was dropped.
    StaleCandidate,
    /// Another connection of the same account is in a call.
    InCallElsewhere,
    /// The server matches nobody any more; see [`ServerMessage::Draining`].
    ///
    /// [`ServerMessage::Draining`]: crate::signal::ServerMessage::Draining
    Draining,
    /// Another connection of the same account took over the search; or, if this connection is closed
    /// then, its room or, where an account has too many connections, its place.
    TakenOver,
    /// The server is going down; reconnect in a moment.
    ShuttingDown,
    /// The session was ended (logged out, password changed, expired); the connection is closed.
    SessionEnded,
    /// The account is banned; the connection is closed.
    Banned,
    /// A code this version does not know.
    #[serde(other)]
    Unknown,
}

/// `code` in the body of a refused HTTP request, where a program must tell one refusal from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApiErrorCode {
    /// Right password, but the address was never confirmed; the body also carries `userId`.
    EmailNotVerified,
    /// No such account, or not its password.
    InvalidCredentials,
    /// The e-mail address or the username belongs to somebody else.
    Taken,
    /// A field of the request breaks a rule; the text says which.
    InvalidInput,
    /// Not the code that was mailed.
    InvalidOtp,
    /// The code is too old, used up or was never sent.
    OtpExpired,
    /// The account is banned; the text says until when.
    Banned,
    /// Not the account's password.
    WrongPassword,
    /// Too many requests; `Retry-After` says when the next is welcome.
    RateLimited,
    /// A code this version does not know.
    #[serde(other)]
    Unknown,
}
