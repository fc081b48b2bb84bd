//! Where the newest picture waits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use meoww_paint::Frame;
use tokio::sync::watch;

/// Where the newest picture waits: a reader that is slow misses pictures and never falls behind.
/// `None` while there is no picture to show.
pub type FrameSlot = watch::Receiver<Option<Arc<Frame>>>;

/// The right of one room to put pictures in a slot that rooms share one after the other. Clones
/// belong to the same room: once it is closed, none of them changes the slot any more.
#[derive(Debug, Clone)]
pub struct RoomSlot {
    slot: watch::Sender<Option<Arc<Frame>>>,
    is_open: Arc<AtomicBool>,
}

impl RoomSlot {
    /// Opens the slot for a new room.
    pub fn open(slot: watch::Sender<Option<Arc<Frame>>>) -> Self {
        Self { slot, is_open: Arc::new(AtomicBool::new(true)) }
    }

    /// Puts the newest picture in, unless the room is closed.
    pub fn put(&self, picture: Option<Arc<Frame>>) {
        // The slot's lock is held meanwhile, so that no picture comes after a close.
        self.slot.send_if_modified(|newest| {
            let is_open = self.is_open.load(Ordering::Relaxed);
            if is_open {
                *newest = picture;
            }
            is_open
        });
    }

    /// Closes the room and clears the slot. A decoder that still runs shows nothing more.
    pub fn close(&self) {
        self.slot.send_if_modified(|newest| {
            let was_open = self.is_open.swap(false, Ordering::Relaxed);
            if was_open {
                *newest = None;
            }
            was_open
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Option<Arc<Frame>> {
        Some(Arc::new(Frame::black(16, 16)))
    }

    #[test]
    fn a_room_that_is_over_shows_nothing_in_the_next() {
        let (slot, shown) = watch::channel(None);
        let first = RoomSlot::open(slot.clone());
        let decoder = first.clone();
        decoder.put(picture());
        assert!(shown.borrow().is_some());
        first.close();
        assert!(shown.borrow().is_none());

        let second = RoomSlot::open(slot);
        decoder.put(picture());
        assert!(shown.borrow().is_none(), "the last partner in the next room");
        second.put(picture());
        decoder.put(None);
        first.close();
        assert!(shown.borrow().is_some(), "the end of the last call clears the next one");
    }
}
