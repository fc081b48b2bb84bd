//! Group commit: whoever waits while a flush is under way shares the next one.

use std::{fs::File, io, path::Path, thread};

use tokio::sync::{mpsc, oneshot};

use super::opening::Flushes;
use crate::store::StoreError;

/// Writers that may wait at once; more than that wait for their place.
const MAX_WAITING: usize = 1024;

type Waiter = oneshot::Sender<()>;

/// Asks the one thread that flushes. The thread ends when the last of these is gone, or with the
/// first flush that fails. What is in memory is ahead of the disk from then on, and a later flush
/// that says it went well proves nothing: the kernel reports a page it could not write once.
#[derive(Clone)]
pub(super) struct Flusher {
    queue: mpsc::Sender<Waiter>,
}

impl Flusher {
    pub(super) fn start(mut log: Log) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        thread::Builder::new()
            .name("flush".into())
            .spawn(move || flush_for(&mut log, waiting))
            .map_err(broken)?;
        Ok(Self { queue })
    }

    /// Returns once everything committed before the call is on disk.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        let (waiter, done) = oneshot::channel();
        self.queue.send(waiter).await.map_err(|_| StoreError::Stopped)?;
        done.await.map_err(|_| StoreError::Stopped)
    }

    /// Whether what is committed now can still reach the disk.
    pub(super) fn demand_running(&self) -> Result<(), StoreError> {
        if self.queue.is_closed() { Err(StoreError::Stopped) } else { Ok(()) }
    }
}

/// sled's log. On Linux sled's own flush ends in `sync_file_range(2)`, which neither writes out the
/// file's length nor empties the disk's cache, so the file is synced behind it.
pub(super) struct Log {
    db: sled::Db,
    flushes: Flushes,
    pub(super) file: File,
}

impl Log {
    /// Of the database in `directory`.
    pub(super) fn open(
        db: sled::Db,
        flushes: Flushes,
        directory: &Path,
    ) -> Result<Self, StoreError> {
        // sled writes this file once and never syncs it, and does not open without what is in it.
        File::open(directory.join("conf")).and_then(|conf| conf.sync_all()).map_err(broken)?;
        // The names of files just created must last as well.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(broken)?;
        let file = File::open(directory.join("db")).map_err(broken)?;
        Ok(Self { db, flushes, file })
    }

    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.flushes.begin()?;
        self.db.flush()?;
        self.file.sync_data().map_err(broken)?;
        self.flushes.done().map_err(broken)
    }
}

fn broken(error: io::Error) -> StoreError {
    StoreError::Broken(error.to_string())
}

fn flush_for(log: &mut Log, mut waiting: mpsc::Receiver<Waiter>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while let Ok(next) = waiting.try_recv() {
            group.push(next);
        }
        if let Err(error) = log.flush() {
            tracing::error!(%error, "flush failed; every write is refused until a restart");
            // Before the first of the group can come back with something else.
            waiting.close();
            return;
        }
        for waiter in group {
            // Whoever asked may have gone away; the flush happened all the same.
            let _ = waiter.send(());
        }
    }
}
