//! The embedded engine: sled, one process at a time.

mod flush;
mod lost;
mod opening;
mod snapshot;
mod trees;

pub(crate) use self::lost::OnMissingDatabase;
pub(super) use self::{
    snapshot::Snapshot,
    trees::{Trees, TreesTx, entry},
};

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use self::{
    flush::{Flusher, Log},
    opening::Opened,
};
use super::{StoreError, engine::blocking, tables::Tables};

/// The database of one server.
#[derive(Clone)]
pub(super) struct Sled {
    trees: Arc<Trees>,
    flusher: Flusher,
    /// Shared by transactions; held alone by whoever needs all trees of one moment.
    rate_limiter: Arc<RwLock<()>>,
    /// Held, before the gate, by what goes through whole trees, one at a time: else it would wait for
    /// the gate while another such has it for long, and every transaction behind it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Sled {
    /// Opens or creates the database in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::start(opening::open(directory)?, directory, false)
    }

    /// Goes on with what was opened in `directory`; where that was just begun, perhaps not before
    /// that is on disk.
    fn start(opened: Opened, directory: &Path, flushes_first: bool) -> Result<Self, StoreError> {
        let Opened { db, trees, flushes } = opened;
        let flushes_first = flushes_first && flushes.is_first();
        let mut log = Log::open(db, flushes, directory)?;
        if flushes_first {
            log.flush()?;
        }
        Ok(Self {
            trees,
            flusher: Flusher::start(log)?,
            rate_limiter: Arc::default(),
            turn: Arc::default(),
        })
    }

    /// Runs a job here and now.
    pub(super) fn look_up<T>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        job(&Tables::Sled(self.trees.clone()))
    }

    /// sled blocks, so it runs where blocking hurts nobody.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tables = Tables::Sled(self.trees.clone());
        blocking(move || job(&tables)).await
    }

    /// A job that only read has reached the disk as well.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let rate_limiter = self.rate_limiter.clone();
        let shared = move |tables: &Tables| {
            let _shared = rate_limiter.read().unwrap_or_else(PoisonError::into_inner);
            job(tables)
        };
        self.flusher.demand_running()?;
        let value = self.run(shared).await;
        // Also of what failed: where sled could not write, the flush finds it out for good.
        self.flusher.flush().await?;
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

    /// Like [`Sled::run`], while nothing is written.
    pub(super) async fn read_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.turn.lock().await;
        let rate_limiter = self.rate_limiter.clone();
        self.run(move |tables| {
            let _alone = rate_limiter.write().unwrap_or_else(PoisonError::into_inner);
            job(tables)
        })
        .await
    }

    /// Like [`Sled::write`], for what takes several transactions that nothing may come between.
    pub(super) async fn write_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.flusher.demand_running()?;
        let value = self.read_alone(job).await;
        self.flusher.flush().await?;
        value
    }

    /// Like [`Sled::write`], for what goes through whole tables in many small transactions.
    pub(super) async fn write_much<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.turn.lock().await;
        self.write(job).await
    }

    /// Puts everything on disk, at the end.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.flusher.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, io, os::fd::OwnedFd};

    use crate::{
        clock,
        core::otp::{Challenge, Subject},
        store::engine::{Engine, Store},
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
        let store = Store::on(Engine::Sled(Sled {
            trees,
            flusher: Flusher::start(log).expect("a thread"),
            rate_limiter: Arc::default(),
            turn: Arc::default(),
        }));
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
