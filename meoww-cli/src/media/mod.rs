//! One stage a file: a picture in, a picture out.

pub(crate) mod clock;
pub mod decode;
pub mod encode;
mod estimate;
mod openh264_options;
mod receive;
mod send;
pub mod source;
pub mod transport;

use std::sync::Arc;

use meoww_paint::Frame;
use tokio::sync::watch;

/// Where the newest picture waits: a reader that is slow misses pictures and never falls behind.
/// `None` while there is no picture to show.
pub type FrameSlot = watch::Receiver<Option<Arc<Frame>>>;
