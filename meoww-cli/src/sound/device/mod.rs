//! Microphones and speakers: which there are, and one of each while sound runs.

mod error;
#[cfg(feature = "sound")]
mod host;
#[cfg(not(feature = "sound"))]
#[path = "no_host.rs"]
mod host;
mod line;
mod microphone;
mod names;
mod plan;
mod reserve;
mod speaker;
#[cfg_attr(not(feature = "sound"), expect(dead_code, reason = "what makes a stream is left out"))]
mod stream;

use std::fmt;

use serde::Serialize;

pub use self::error::DeviceError;
pub(super) use self::{microphone::Microphone, speaker::Speaker};
use crate::text::SafeText;

/// A device that records, or one that plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It records.
    Microphone,
    /// It plays.
    Speaker,
}

#[cfg(feature = "sound")]
impl Kind {
    fn other(self) -> Self {
        match self {
            Self::Microphone => Self::Speaker,
            Self::Speaker => Self::Microphone,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        })
    }
}

/// A microphone or speaker of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// The same after a restart, and in whatever order devices are plugged in.
    pub name: String,
    /// For people.
    pub description: SafeText,
    /// Whether it is the one that is used unless another is named.
    #[serde(rename = "default")]
    pub is_default: bool,
    /// Whether it records a speaker.
    #[serde(rename = "monitor", skip_serializing_if = "std::ops::Not::not")]
    pub is_monitor: bool,
}

/// The microphones or speakers of this machine, as the sound system orders them.
///
/// # Errors
///
/// When there is no sound system, or this build has no use for one.
pub fn list(kind: Kind) -> Result<Vec<Device>, DeviceError> {
    host::Host::open()?.list(kind)
}

/// The device that a name, or a part of a name or description, stands for.
///
/// # Errors
///
/// When there is none or several, with the names there are; and like [`list`].
pub fn find(kind: Kind, wanted: &str) -> Result<Device, DeviceError> {
    let devices = list(kind)?;
    names::find(kind, wanted, &devices).cloned()
}

#[cfg(test)]
#[cfg(all(feature = "sound", target_os = "linux"))]
mod echo_tests;
#[cfg(test)]
#[cfg(all(feature = "sound", target_os = "linux"))]
mod pulseaudio;
#[cfg(test)]
#[cfg(all(feature = "sound", target_os = "linux"))]
mod testing;
#[cfg(test)]
#[cfg(all(feature = "sound", target_os = "linux"))]
#[path = "device_tests.rs"]
mod tests;
#[cfg(test)]
#[cfg(all(feature = "sound", target_os = "linux"))]
mod trouble_tests;
