//! The embedded store: sled, one process at a time.

use std::{
    future::{Ready, ready},
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    StoreError,
    flush::{Flusher, Log},
    opening::{self, Opened},
    snapshot::Snapshot,
    trees::Trees,
};
use crate::{clock, metrics::StoreLatency};

/// The database of one server.
#[derive(Clone)]
pub struct Store {
    trees: Arc<Trees>,
    flusher: Flusher,
    pub(crate) latency: StoreLatency,
    /// Shared by transactions; held alone by whoever needs all trees of one moment.
    rate_limiter: Arc<RwLock<()>>,
    /// Held, before the gate, by what goes through whole trees, one at a time: else it would wait for
    /// the gate while another such has it for long, and every transaction behind it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Store {
    /// Opens or creates the database in `directory`.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::start(opening::open(directory)?, directory, false)
    }

    /// Goes on with what was opened in `directory`; where that was just begun, perhaps not before
    /// that is on disk.
    pub(super) fn start(
        opened: Opened,
        directory: &Path,
        flushes_first: bool,
    ) -> Result<Self, StoreError> {
        let Opened { db, trees, flushes } = opened;
        let flushes_first = flushes_first && flushes.is_first();
        let mut log = Log::open(db, flushes, directory)?;
        if flushes_first {
            log.flush()?;
        }
        Ok(Self {
            trees: Arc::new(trees),
            flusher: Flusher::start(log)?,
            rate_limiter: Arc::default(),
            turn: Arc::default(),
            latency: StoreLatency::default(),
        })
    }

    /// For what takes a key or two, and is ready at once. sled has them in memory, or reads a page;
    /// to wake another thread for it and to be woken again takes longer, and every request and every
    /// connection does it.
    pub(super) fn look_up<T>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError>,
    ) -> Ready<Result<T, StoreError>> {
        let began = clock::instant();
        let value = job(&self.trees);
        self.latency.read.observe((clock::instant() - began).as_secs_f64());
        ready(value)
    }

    /// For what may take many.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = clock::instant();
        let value = self.run(job).await;
        self.latency.read.observe((clock::instant() - began).as_secs_f64());
        value
    }

    /// sled blocks, so it runs where blocking hurts nobody.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let trees = self.trees.clone();
        tokio::task::spawn_blocking(move || job(&trees))
            .await
            .map_err(|error| StoreError::Broken(error.to_string()))?
    }

    /// A read that also writes has reached the disk when it returns.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let rate_limiter = self.rate_limiter.clone();
        let shared = move |trees: &Trees| {
            let _shared = rate_limiter.read().unwrap_or_else(PoisonError::into_inner);
            job(trees)
        };
        self.flusher.demand_running()?;
        let began = clock::instant();
        let value = self.run(shared).await;
        // Also of what failed: where sled could not write, the flush finds it out for good.
        self.flusher.flush().await?;
        self.latency.write.observe((clock::instant() - began).as_secs_f64());
        value
    }

    /// All records of this moment, to be read while others write.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let turn = self.turn.clone().lock_owned().await;
        let (trees, rate_limiter) = (self.trees.clone(), self.rate_limiter.clone());
        self.run(move |_| {
            let _alone = rate_limiter.write().unwrap_or_else(PoisonError::into_inner);
            Ok(Snapshot::begin(trees, turn))
        })
        .await
    }

    /// Like [`Store::read`], while nothing is written.
    pub(super) async fn read_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.turn.lock().await;
        let rate_limiter = self.rate_limiter.clone();
        self.run(move |trees| {
            let _alone = rate_limiter.write().unwrap_or_else(PoisonError::into_inner);
            job(trees)
        })
        .await
    }

    /// Like [`Store::write`], for what takes several transactions that nothing may come between.
    pub(super) async fn write_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.flusher.demand_running()?;
        let value = self.read_alone(job).await;
        self.flusher.flush().await?;
        value
    }

    /// Like [`Store::write`], for what goes through whole trees in many small transactions.
    pub(super) async fn write_much<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.turn.lock().await;
        self.write(job).await
    }

    /// Puts everything on disk, at the end.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.flusher.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, io, os::fd::OwnedFd};

    use crate::{
        core::otp::{Challenge, Subject},
        testing::account,
    };

    /// A pipe cannot be synced, so the kernel refuses as it does when a disk breaks: the log itself
    /// was written without an error.
    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_taken_nor_changed() {
        let dir = tempfile::tempdir().expect("a directory");
        let Opened { db, trees, flushes } = opening::open(dir.path()).expect("opened");
        let mut log = Log::open(db, flushes, dir.path()).expect("a log");
        let (_reader, writer) = io::pipe().expect("a pipe");
        log.file = File::from(OwnedFd::from(writer));
        let store = Store {
            trees: Arc::new(trees),
            flusher: Flusher::start(log).expect("a thread"),
            rate_limiter: Arc::default(),
            turn: Arc::default(),
            latency: StoreLatency::default(),
        };
        let now = clock::now();
        let address = |n| account(n, now).email;
        for n in [2, 3, 4] {
            let account = account(n, now);
            let subject = Subject::SignUp(account.id);
            let challenge = Challenge::generate(&[7; 32], subject, &mut rand::rng(), now);
            let refused = store.create_account(account, challenge, now).await;
            assert!(matches!(refused, Err(StoreError::Stopped)), "{refused:?}");
        }
        for n in [3, 4] {
            let seen = store.account_by_email(address(n)).await.expect("what only reads goes on");
            assert!(seen.is_none());
        }
        assert!(matches!(store.flush().await, Err(StoreError::Stopped)));
    }
}
