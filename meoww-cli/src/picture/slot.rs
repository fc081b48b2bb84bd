//! Where the newest picture waits.

use std::sync::Arc;

use meoww_paint::Frame;
use tokio::sync::watch;

/// Where the newest picture waits: a reader that is slow misses pictures and never falls behind.
/// `None` while there is no picture to show.
pub type FrameSlot = watch::Receiver<Option<Arc<Frame>>>;
