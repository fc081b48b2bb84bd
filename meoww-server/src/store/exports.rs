//! The last exports, kept beside the database for the day it is damaged.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::clock;

/// So many are kept; the oldest makes room.
const KEPT: usize = 3;
/// How often one is made while the server runs.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes one whenever the last is a day old; runs as long as the server does.
pub(crate) async fn keep(store: &Store, data_dir: &Path) {
    let age = newest(data_dir).and_then(|path| age(&path));
    tokio::time::sleep(age.map_or(Duration::ZERO, |age| INTERVAL.saturating_sub(age))).await;
    loop {
        match store.claim("export", INTERVAL / 2).await {
            Ok(true) => save(store, data_dir).await,
            // Another server on the same database makes one.
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "export failed"),
        }
        // Newer ones may be made elsewhere from now on, and push nothing out here.
        if store.is_shared()
            && let Err(error) = forget_old(&directory(data_dir))
        {
            tracing::error!(%error, "old exports could not be removed");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Makes one now. Nothing depends on it: a server that cannot says so in its log and goes on.
pub(crate) async fn save(store: &Store, data_dir: &Path) {
    if let Err(error) = export(store, &directory(data_dir)).await {
        tracing::error!(%error, "export failed");
    }
}

/// Makes one at the end, unless that takes longer than `grace`, or the database goes on without this
/// server.
pub(crate) async fn save_within(store: &Store, data_dir: &Path, grace: Duration) {
    if store.is_shared() {
        return;
    }
    if tokio::time::timeout(grace, save(store, data_dir)).await.is_err() {
        let last = newest(data_dir);
        tracing::warn!(?last, "export took too long at the end; the last one stays");
    }
}

/// The newest there is.
pub(crate) fn newest(data_dir: &Path) -> Option<PathBuf> {
    files(&directory(data_dir), "jsonl").ok()?.pop()
}

fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("exports")
}

fn age(path: &Path) -> Option<Duration> {
    let modified = OffsetDateTime::from(fs::metadata(path).ok()?.modified().ok()?);
    Duration::try_from(clock::now() - modified).ok()
}

async fn export(store: &Store, directory: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::Export(error.to_string());
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    // What a killed server began and did not finish.
    remove(&files(directory, "part").map_err(failed)?).map_err(failed)?;
    let before = files(directory, "jsonl").map_err(failed)?;
    // Names of equal length sort by time.
    let path = directory.join(format!("{:020}.jsonl", clock::now().unix_timestamp_nanos()));
    if store.export_file(&path).await? == 0 && !before.is_empty() {
        // A database begun anew must not push out what is left of the one before it.
        return remove(&[path]).map_err(failed);
    }
    let too_many = (before.len() + 1).saturating_sub(KEPT);
    remove(&before[..too_many]).map_err(failed)
}

/// Removes exports that would have made room by now if each day had brought a newer one, and what was begun
/// and not finished.
fn forget_old(directory: &Path) -> io::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    let is_old = |path: &PathBuf| age(path).is_some_and(|age| age >= INTERVAL * KEPT as u32);
    let old: Vec<_> = files(directory, "jsonl")?.into_iter().filter(is_old).collect();
    remove(&old)?;
    remove(&files(directory, "part")?)
}

fn remove(paths: &[PathBuf]) -> io::Result<()> {
    paths.iter().try_for_each(fs::remove_file)
}

/// Those whose names end so, oldest first.
fn files(directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<_> = paths.collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|kind| kind == extension));
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use crate::{
        store::{Batch, Merge},
        testing::account,
    };

    async fn made(store: &Store, data_dir: &Path) -> PathBuf {
        save(store, data_dir).await;
        newest(data_dir).expect("one")
    }

    #[tokio::test]
    async fn the_last_three_are_kept_for_the_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("db")).expect("opened");
        let batch = Batch::of_accounts([(1, account(1, clock::now()))]);
        store.import(batch, Merge::default()).await.expect("stored");
        made(&store, dir.path()).await;
        fs::write(dir.path().join("exports/1.jsonl.part"), "half").expect("written");
        let mut all = Vec::new();
        for _ in 0..KEPT {
            all.push(made(&store, dir.path()).await);
        }
        let left = fs::read_dir(dir.path().join("exports")).expect("a directory");
        let mut left: Vec<_> = left.map(|entry| entry.expect("an entry").path()).collect();
        left.sort();
        assert_eq!(left, all);
        let mode = fs::metadata(&all[0]).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(age(&all[0]).is_some_and(|age| age < INTERVAL));
    }

    #[tokio::test]
    async fn an_end_without_time_for_an_export_leaves_the_last_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("db")).expect("opened");
        let last = made(&store, dir.path()).await;
        // Another export is under way: this one cannot be ready before its time is up.
        let before = store.snapshot().await.expect("begun");
        save_within(&store, dir.path(), Duration::ZERO).await;
        drop(before);
        store.export(Vec::new()).await.expect("exported");
        let left = fs::read_dir(dir.path().join("exports")).expect("a directory");
        let left: Vec<_> = left.map(|entry| entry.expect("an entry").path()).collect();
        assert_eq!(left, [last]);
    }

    #[tokio::test]
    async fn an_empty_database_pushes_nothing_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("db")).expect("opened");
        let first = made(&store, dir.path()).await;
        assert_eq!(made(&store, dir.path()).await, first);
    }
}
