//! The outcomes of an event, and the words of refusals.

use meoww_proto::{
    error::SignalErrorCode,
    signal::{ServerMessage, SignalError},
};

use crate::core::limits::Allowance;

/// The outcome of an event.
#[derive(Debug)]
pub(crate) enum EventOutcome {
    /// It is done or on its way.
    Done,
    /// Likewise, and the client is sent this.
    Answered(ServerMessage),
    /// It was refused. The client is sent the error unless `is_known`: it was sent one like it a moment
    /// ago, or is sent it by the hub.
    Refused { error: SignalError, is_known: bool },
}

impl EventOutcome {
    pub(super) fn refused(code: SignalErrorCode) -> Self {
        Self::Refused { error: words(code), is_known: false }
    }
}

impl From<SignalError> for EventOutcome {
    fn from(error: SignalError) -> Self {
        Self::Refused { error, is_known: false }
    }
}

/// Returns the refusal of what is over the rate.
pub(super) fn over_rate(allowance: Allowance) -> Option<EventOutcome> {
    let is_known = match allowance {
        Allowance::Pass => return None,
        Allowance::Drop => true,
        Allowance::DropAndTell => false,
    };
    Some(EventOutcome::Refused { error: words(SignalErrorCode::RateLimited), is_known })
}

/// An error with words of its own.
pub(crate) fn error(code: SignalErrorCode, message: &str) -> SignalError {
    SignalError { code, message: message.to_owned() }
}

/// An `error` event with the words that go with its code.
pub(crate) fn refusal(code: SignalErrorCode) -> ServerMessage {
    ServerMessage::Error(words(code))
}

/// An error with the words that go with its code.
pub(super) fn words(code: SignalErrorCode) -> SignalError {
    error(
        code,
        match code {
            SignalErrorCode::BadEvent => "malformed event",
            SignalErrorCode::UnknownEvent => "unknown event",
            SignalErrorCode::TooLarge => "event is too large",
            SignalErrorCode::RateLimited => "too many events; some were dropped",
            SignalErrorCode::NotInRoom => "you are in no room",
            SignalErrorCode::WrongRoom => "that is not your room",
            SignalErrorCode::PartnerAway => "your partner's connection is lost at the moment",
            SignalErrorCode::PartnerSlow => "your partner's connection is too slow and is cut",
            SignalErrorCode::StaleCandidate => "that candidate is of no description of this room",
            SignalErrorCode::InCallElsewhere => "another connection of your account is in a call",
            SignalErrorCode::Draining => "the server is going down and matches nobody any more",
            SignalErrorCode::TakenOver => "another connection of your account took over",
            SignalErrorCode::ShuttingDown => "the server is going down; reconnect in a moment",
            SignalErrorCode::SessionEnded => "your session has ended; log in again",
            SignalErrorCode::Banned => "your account is banned",
            SignalErrorCode::Unknown => "refused",
        },
    )
}
