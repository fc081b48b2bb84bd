//! Why there is no sound.

use std::path::PathBuf;

use thiserror::Error;

use super::device::DeviceError;

/// Why there is no sound, and what to do about it.
#[derive(Debug, Error)]
pub enum SoundError {
    /// The sound file cannot be read.
    #[error("{} cannot be read: {reason}. Name a readable sound file after --audio.", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Message of the system, the WAV reader or ffmpeg.
        reason: String,
    },
    /// A file other than a WAV file, and no ffmpeg.
    #[error(
        "{} needs ffmpeg, which is not installed. Install it, or name a .wav file.",
        path.display()
    )]
    NoFfmpeg {
        /// Path of the file.
        path: PathBuf,
    },
    /// The WAV file cannot be written.
    #[error("{} cannot be written: {reason}. Name another file after --audio-out.", path.display())]
    Unwritable {
        /// Path of the file.
        path: PathBuf,
        /// Message of the system.
        reason: String,
    },
    /// There is no microphone or speaker as asked for.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The codec does not start.
    #[error("The sound codec does not start ({0}). Close other programs to free memory.")]
    Codec(String),
    /// The system has no thread left.
    #[error("The system has no thread left for sound ({0}). Close other programs.")]
    NoThread(String),
}
