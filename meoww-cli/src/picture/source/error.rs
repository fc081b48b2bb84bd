//! Why there are no pictures.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

/// Why there are no pictures, and what to do about it.
#[derive(Debug, Clone, Error)]
pub enum SourceError {
    /// There is no such webcam.
    #[error("There is no camera {0}. Plug one in, or use --camera FILE or --camera none.")]
    NoCamera(u32),
    /// The webcam does not open; mostly because another program has it.
    #[error("Camera {index} does not open ({reason}). Close other programs that use it.")]
    CameraBusy {
        /// Number of the webcam.
        index: u32,
        /// The system's message.
        reason: String,
    },
    /// The webcam was open and is gone.
    #[error("The camera is gone ({0}).")]
    CameraGone(String),
    /// This program cannot use webcams.
    #[error("This build has no camera support. Use --camera pattern, a file, or none.")]
    CameraUnsupported,
    /// The file cannot be read.
    #[error("{} cannot be read: {reason}. Name a readable file.", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Message of the system or of ffmpeg.
        reason: String,
    },
    /// A file other than plain Y4M, and no ffmpeg.
    #[error(
        "{} needs ffmpeg, which is not installed. Install it, or name a .y4m file (8-bit 4:2:0).",
        path.display()
    )]
    NoFfmpeg {
        /// Path of the file.
        path: PathBuf,
    },
    /// No picture came in time.
    #[error(
        "{what} gave no picture for {} seconds. Try another one.",
        limit.as_secs()
    )]
    Silent {
        /// Name of the webcam or file.
        what: String,
        /// The time waited.
        limit: Duration,
    },
    /// The thread of the source cannot be started, or broke.
    #[error("The system has no thread left for the camera ({0}). Close other programs.")]
    NoThread(String),
}
