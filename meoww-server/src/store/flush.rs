//! Group commit: whoever waits while a flush is under way shares the next one.

use std::{fs::File, io, path::Path, thread};

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
    /// For the database in `directory`.
    pub(super) fn start(db: sled::Db, directory: &Path) -> Result<Self, StoreError> {
        let log =
            Log::open(db, directory).map_err(|error| StoreError::Broken(error.to_string()))?;
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        thread::Builder::new()
            .name("flush".into())
            .spawn(move || flush_for(&log, waiting))
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

/// sled's log. On Linux sled's own flush ends in `sync_file_range(2)`, which neither writes out the
/// file's length nor empties the disk's cache, so the file is synced behind it.
struct Log {
    db: sled::Db,
    file: File,
}

impl Log {
    fn open(db: sled::Db, directory: &Path) -> io::Result<Self> {
        // The names of files just created must last as well.
        File::open(directory)?.sync_all()?;
        Ok(Self { db, file: File::open(directory.join("db"))? })
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        self.file.sync_data().map_err(|error| StoreError::Broken(error.to_string()))
    }
}

fn flush_for(log: &Log, mut waiting: mpsc::Receiver<Waiter>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while let Ok(next) = waiting.try_recv() {
            group.push(next);
        }
        let outcome = log.flush();
        for waiter in group {
            // Whoever asked may have gone away; the flush happened all the same.
            let _ = waiter.send(outcome.clone());
        }
    }
}
