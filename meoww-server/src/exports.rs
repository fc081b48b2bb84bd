//! The last exports, kept beside the database for the day it is damaged.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use time::OffsetDateTime;

use crate::{
    clock,
    store::{Store, StoreError},
};

/// So many are kept; the oldest makes room.
const KEPT: usize = 3;
/// How often one is made while the server runs.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes one whenever the last is a day old; runs as long as the server does.
pub(crate) async fn keep(store: &Store, data_dir: &Path) {
    loop {
        // An export of a moment ago survives a server that is restarted again and again.
        let age = newest(data_dir).and_then(|path| age(&path));
        let wait = age.map_or(Duration::ZERO, |age| INTERVAL.saturating_sub(age));
        tokio::time::sleep(wait).await;
        if !save(store, data_dir).await {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Makes one now; says whether it could.
pub(crate) async fn save(store: &Store, data_dir: &Path) -> bool {
    let outcome = export(store, &directory(data_dir)).await;
    if let Err(error) = &outcome {
        tracing::error!(%error, "no export was kept beside the database");
    }
    outcome.is_ok()
}

/// The newest there is.
pub(crate) fn newest(data_dir: &Path) -> Option<PathBuf> {
    by_age(&directory(data_dir)).ok()?.pop()
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
    // Names of equal length sort by time.
    let name = format!("{:020}.jsonl", clock::now().unix_timestamp_nanos());
    store.export_file(&directory.join(name)).await?;
    let all = by_age(directory).map_err(failed)?;
    let too_many = all.len().saturating_sub(KEPT);
    all.iter().take(too_many).try_for_each(fs::remove_file).map_err(failed)
}

/// Oldest first.
fn by_age(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<_> = paths.collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn the_last_three_are_kept_for_the_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("db")).expect("opened");
        let mut made = Vec::new();
        for _ in 0..5 {
            assert!(save(&store, dir.path()).await);
            made.push(newest(dir.path()).expect("one"));
        }
        assert_eq!(by_age(&dir.path().join("exports")).expect("read"), made[2..]);
        let mode = fs::metadata(&made[4]).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(age(&made[4]).is_some_and(|age| age < INTERVAL));
    }
}
