//! The thread a source runs on.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{Pictures, SourceError};
use crate::{clock, picture::slot::FrameSlot};

/// Stops the thread, and waits for it, when it is dropped.
pub(super) struct Worker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Seen from the thread.
pub(super) struct Stop(Receiver<()>);

impl Stop {
    /// Sleeps, unless it is to stop; says whether it is.
    pub(super) fn wait(&self, duration: Duration) -> bool {
        self.0.recv_timeout(duration) == Err(RecvTimeoutError::Disconnected)
    }
}

impl Worker {
    /// Returns when `open` has, with what it says.
    pub(super) fn start<P: Pictures>(
        open: impl FnOnce() -> Result<P, SourceError> + Send + 'static,
    ) -> Result<(Self, FrameSlot), SourceError> {
        let (slot, pictures) = watch::channel(None);
        let (stop, stopped) = sync_channel(0);
        let (opened, result) = sync_channel(1);
        // Opened on the thread it is used on: cameras cannot be moved.
        let work = move || {
            let mut source = match open() {
                Ok(source) => source,
                Err(error) => return drop(opened.send(Err(error))),
            };
            let _ = opened.send(Ok(()));
            let stop = Stop(stopped);
            while let Some(picture) = source.next(&stop) {
                slot.send_replace(Some(Arc::new(picture)));
                if stop.wait(Duration::ZERO) {
                    break;
                }
            }
            slot.send_replace(None);
        };
        let thread = Builder::new()
            .name("meoww-camera".to_owned())
            .spawn(work)
            .map_err(SourceError::NoThread)?;
        let worker = Self { stop: Some(stop), thread: Some(thread) };
        match result.recv() {
            Ok(opened) => opened.map(|()| (worker, pictures)),
            // It panicked, in a camera's driver.
            Err(error) => Err(SourceError::NoThread(std::io::Error::other(error))),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Panicked or not, it is over.
            let _ = thread.join();
        }
    }
}

/// Spreads pictures evenly over time.
pub(super) struct Pace {
    interval: Duration,
    due: Option<Instant>,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, due: None }
    }

    /// Sleeps until the next picture is due; says whether to go on.
    pub(super) fn wait(&mut self, stop: &Stop) -> bool {
        let now = clock::now();
        // After a pause (a suspended machine) it goes on from now, and does not make up for it.
        let due = self.due.filter(|due| now.saturating_duration_since(*due) < 8 * self.interval);
        let due = due.unwrap_or(now);
        self.due = Some(due + self.interval);
        !stop.wait(due.saturating_duration_since(now))
    }
}
