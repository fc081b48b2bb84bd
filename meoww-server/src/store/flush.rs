//! Group commit: whoever waits while a flush is under way shares the next one.

use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;

/// Writers that may wait at once; more than that wait for their place.
const MAX_WAITING: usize = 1024;

type Waiter = oneshot::Sender<Result<(), StoreError>>;

/// Asks the one thread that flushes. The thread ends when the last of these is gone.
#[derive(Clone)]
pub(super) struct Flusher {
    queue: mpsc::Sender<Waiter>,
}

impl Flusher {
    pub(super) fn start(db: sled::Db) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        thread::Builder::new()
            .name("flush".into())
            .spawn(move || flush_for(&db, waiting))
            .map_err(|error| StoreError::Broken(error.to_string()))?;
        Ok(Self { queue })
    }

    /// Returns once everything committed before the call is on disk.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        let gone = || StoreError::Broken("the flushing thread is gone".into());
        let (waiter, done) = oneshot::channel();
        self.queue.send(waiter).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }
}

fn flush_for(db: &sled::Db, mut waiting: mpsc::Receiver<Waiter>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while let Ok(next) = waiting.try_recv() {
            group.push(next);
        }
        let outcome = db.flush().map(drop).map_err(|error| StoreError::Broken(error.to_string()));
        for waiter in group {
            // Whoever asked may have gone away; the flush happened all the same.
            let _ = waiter.send(outcome.clone());
        }
    }
}
