//! Why a microphone or speaker is of no use.

use std::time::Duration;

use thiserror::Error;

use super::Kind;

/// Why a microphone or speaker is of no use, and what to do about it. Names and reasons of the system
/// are safe to draw.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// This program cannot use any.
    #[error(
        "This build has no microphone or speaker support. Use --audio with a file, tone or none."
    )]
    Unsupported,
    /// There is nothing on this machine that plays or records.
    #[error(
        "There is no sound: no sound system was found ({reason}). Install PipeWire \
         (pipewire-pulse) or PulseAudio, and see `meoww devices`."
    )]
    NoSystem {
        /// The system's message.
        reason: String,
    },
    /// There is a sound system without such a device.
    #[error("There is no {kind}. Plug one in; `meoww devices` shows what there is.")]
    Missing {
        /// Of which there is none.
        kind: Kind,
    },
    /// None has that name.
    #[error(
        "There is no {kind} \"{wanted}\". There {}. A file is named with its folder: ./FILE.wav",
        there(.available)
    )]
    NotFound {
        /// Of which there is none.
        kind: Kind,
        /// As given.
        wanted: String,
        /// Names of those there are.
        available: Vec<String>,
    },
    /// Several have it in their name.
    #[error("Several {kind}s match \"{wanted}\": {}. Give more of the name.", .matching.join(", "))]
    Ambiguous {
        /// Of which there are several.
        kind: Kind,
        /// As given.
        wanted: String,
        /// Their names.
        matching: Vec<String>,
    },
    /// Another program has it.
    #[error("The {kind} {name} is held by another program. Close that, or choose another.")]
    Busy {
        /// Which of the two.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// The system does not let this user have it.
    #[error(
        "The {kind} {name} may not be used by you. Allow it in the system's settings, or join the \
         group \"audio\"."
    )]
    Denied {
        /// Which of the two.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// It does not open for another reason.
    #[error("The {kind} {name} does not open ({reason}).")]
    Unusable {
        /// Which of the two.
        kind: Kind,
        /// Its name.
        name: String,
        /// The system's message.
        reason: String,
    },
    /// It was open, and is no more.
    #[error("The {kind} {name} is gone.")]
    Gone {
        /// Which of the two.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// It is open, and neither gives nor takes anything.
    #[error("The {kind} {name} did nothing for {} seconds.", limit.as_secs())]
    Stuck {
        /// Which of the two.
        kind: Kind,
        /// Its name.
        name: String,
        /// The time waited.
        limit: Duration,
    },
}

fn there(available: &[String]) -> String {
    match available {
        [] => "are none; see `meoww devices`".to_owned(),
        [one] => format!("is {one}"),
        several => format!("are {}", several.join(", ")),
    }
}
