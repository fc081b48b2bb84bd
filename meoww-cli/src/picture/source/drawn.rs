//! Pictures that the program draws itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use meoww_paint::Frame;

use super::{
    Next, Pictures,
    worker::{Pace, Stop},
};
use crate::clock;

/// Draws the picture of a moment, so long after the first.
pub(super) struct Drawn<D> {
    draw: D,
    pace: Pace,
    began: Instant,
}

impl<D: FnMut(Duration) -> Arc<Frame>> Drawn<D> {
    /// A picture each `interval`.
    pub(super) fn new(interval: Duration, draw: D) -> Self {
        Self { draw, pace: Pace::new(interval), began: clock::now() }
    }
}

impl<D: FnMut(Duration) -> Arc<Frame> + 'static> Pictures for Drawn<D> {
    fn next(&mut self, stop: &Stop) -> Next {
        let go_on = self.pace.wait(stop);
        Ok(go_on.then(|| (self.draw)(clock::now().saturating_duration_since(self.began))))
    }
}
