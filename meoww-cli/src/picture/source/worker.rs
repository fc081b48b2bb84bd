//! The thread a source runs on.

use std::{
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{Pictures, SourceError};
use crate::{clock, picture::slot::FrameSlot};

/// Devices are slow to open and files on a network slow to answer, but not slower.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a source may take to stop: a driver or a pipe may never return.
const RELEASE: Duration = Duration::from_secs(1);

/// Stops the thread when it is dropped, and waits for it, [`RELEASE`] at most.
pub(super) struct Worker {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    /// Disconnected by the end of the thread.
    running: Receiver<Result<(), SourceError>>,
    ended: Arc<OnceLock<SourceError>>,
}

/// The order to stop, seen from the thread.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Sleeps unless the thread is to stop; returns whether it is.
    pub(super) fn wait(&self, duration: Duration) -> bool {
        let (stopped, changed) = &*self.0;
        let stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(stopped, duration, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn order(&self) {
        let (stopped, changed) = &*self.0;
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

impl Worker {
    /// Opens the source `what` on a thread of its own, and returns with the outcome, after
    /// `patience` at the latest.
    pub(super) fn start<P: Pictures>(
        what: &str,
        patience: Duration,
        open: impl FnOnce(&Stop) -> Result<P, SourceError> + Send + 'static,
    ) -> Result<(Self, FrameSlot), SourceError> {
        let (slot, pictures) = watch::channel(None);
        let (opened, outcome) = sync_channel(1);
        let (stop, ended) = (Stop::default(), Arc::new(OnceLock::new()));
        let (stopped, end) = (stop.clone(), ended.clone());
        // Opened on the thread it is used on: cameras cannot be moved.
        let work = move || {
            let mut source = match open(&stopped) {
                Ok(source) => source,
                Err(error) => return drop(opened.send(Err(error))),
            };
            let _ = opened.send(Ok(()));
            if let Err(error) = pump(&mut source, &slot, &stopped) {
                tracing::warn!(%error, "source ended");
                let _ = end.set(error);
            }
            slot.send_replace(None);
        };
        let thread = Builder::new()
            .name("meoww-camera".to_owned())
            .spawn(work)
            .map_err(|error| SourceError::NoThread(error.to_string()))?;
        let opened = outcome.recv_timeout(patience);
        let mut worker = Self { stop, thread: Some(thread), running: outcome, ended };
        match opened {
            Ok(opened) => opened.map(|()| (worker, pictures)),
            Err(RecvTimeoutError::Timeout) => {
                // A call into a driver or the disk that does not return cannot be waited for.
                worker.thread = None;
                Err(SourceError::Silent { what: what.to_owned(), limit: patience })
            }
            // It panicked, in a camera's driver.
            Err(error) => Err(SourceError::NoThread(error.to_string())),
        }
    }

    /// Why there will be no more pictures, once there are none.
    pub(super) fn ended(&self) -> Option<&SourceError> {
        self.ended.get()
    }
}

/// Passes pictures on until the source ends or is stopped.
fn pump<P: Pictures>(
    source: &mut P,
    slot: &watch::Sender<Option<Arc<meoww_paint::Frame>>>,
    stop: &Stop,
) -> Result<(), SourceError> {
    while let Some(picture) = source.next(stop)? {
        slot.send_replace(Some(picture));
        if stop.wait(Duration::ZERO) {
            break;
        }
    }
    Ok(())
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.order();
        let Some(thread) = self.thread.take() else { return };
        if matches!(self.running.recv_timeout(RELEASE), Err(RecvTimeoutError::Timeout)) {
            tracing::warn!("the source does not stop; its thread is left behind");
            return;
        }
        // Panicked or not, it is over.
        let _ = thread.join();
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

    #[cfg(test)]
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Sleeps until the next picture is due; returns whether to go on.
    pub(super) fn wait(&mut self, stop: &Stop) -> bool {
        let now = clock::now();
        // After a pause (a suspended machine) it goes on from now, and does not make up for it.
        let due = self.due.filter(|due| now.saturating_duration_since(*due) < 8 * self.interval);
        let due = due.unwrap_or(now);
        self.due = Some(due + self.interval);
        !stop.wait(due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Next, *};

    /// A device that delivers nothing, until the test is over.
    struct Stuck(Receiver<()>);

    impl Pictures for Stuck {
        fn next(&mut self, _: &Stop) -> Next {
            let _ = self.0.recv();
            Ok(None)
        }
    }

    #[test]
    fn a_source_that_never_returns_is_left_behind() {
        let (test_runs, until_its_end) = sync_channel(1);
        let opened = Worker::start("it", PATIENCE, |_| Ok(Stuck(until_its_end)));
        let (dropped, is_dropped) = sync_channel(1);
        std::thread::spawn(move || {
            drop(opened);
            let _ = dropped.send(());
        });
        // Far longer than it takes.
        is_dropped.recv_timeout(PATIENCE).expect("it is waited for");
        drop(test_runs);
    }
}
