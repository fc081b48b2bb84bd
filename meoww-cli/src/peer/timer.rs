//! Moments that a session waits for.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep, sleep_until};

/// Never, when there is nothing to wait for.
pub(super) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// A moment, if any, that is waited for.
#[derive(Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    pub(super) fn after(wait: Duration) -> Self {
        Self(Some(Box::pin(sleep(wait))))
    }

    /// Returns once, when it has passed.
    pub(super) async fn expire(&mut self) {
        match &mut self.0 {
            Some(sleep) => sleep.await,
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}
