//! Opening sled without trusting what lies on disk. sled drops the end of a log that it cannot read
//! and starts empty where it finds nothing, without a word, and it may panic on what is damaged. A
//! server that forgot accounts must not start as if they had never been.

use std::{
    any::Any,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
    panic,
    path::Path,
    sync::Arc,
};

use super::trees::Trees;
use crate::store::{StoreError, exports};

/// Memory sled may use for pages it has read, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// Tree and key of the number of the newest flush.
const TREE: &str = "meta";
const KEY: &str = "flushes";
/// File beside sled's that says the same.
const MARK: &str = "flushes";

/// A database that was read through.
pub(super) struct Opened {
    pub(super) db: sled::Db,
    pub(super) trees: Arc<Trees>,
    pub(super) flushes: Flushes,
}

/// Opens or creates the database in `directory` and reads it through.
pub(super) fn open(directory: &Path) -> Result<Opened, StoreError> {
    let damaged = |what: String| {
        let export = directory.parent().and_then(exports::newest);
        StoreError::Damaged { directory: directory.to_owned(), what, export }
    };
    keep_private(directory).map_err(|error| {
        let directory = directory.display();
        StoreError::Broken(format!("{directory}: {error}"))
    })?;
    let promised = Flushes::promised(directory)?;
    let opening = panic::catch_unwind(|| {
        let db = sled::Config::new()
            .path(directory)
            .cache_capacity(CACHE_BYTES)
            // Nothing waits for the timer: every write is flushed before it is acknowledged.
            .flush_every_ms(None)
            .open()?;
        read_through(&db)?;
        let meta = db.open_tree(TREE)?;
        let bytes = meta.get(KEY)?;
        Ok::<_, sled::Error>((db, meta, bytes))
    });
    let (db, meta, bytes) = match opening {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) if is_damage(&error) => return Err(damaged(error.to_string())),
        Ok(Err(error)) => return Err(error.into()),
        Err(panicked) => return Err(damaged(words_of(&*panicked))),
    };
    let found = bytes.and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)));
    let found = found.unwrap_or(0);
    if found < promised {
        let lost = promised - found;
        return Err(damaged(format!("the last {lost} of {promised} writes are missing")));
    }
    let mark = Flushes::mark(directory)?;
    let trees = Arc::new(Trees::open(&db)?);
    Ok(Opened { trees, db, flushes: Flushes { meta, number: found, mark } })
}

/// Password hashes are nobody else's business, whoever may look into the directory around.
fn keep_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mode = fs::metadata(directory)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(directory = %directory.display(), "server closed its directory to other users");
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Damage that only a read would find is found now rather than in the middle of a request.
fn read_through(db: &sled::Db) -> Result<(), sled::Error> {
    for name in db.tree_names() {
        for entry in &db.open_tree(name)? {
            entry?;
        }
    }
    Ok(())
}

fn is_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::Unsupported(_)
        | sled::Error::CollectionNotFound(_) => true,
        sled::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
        }
    }
}

fn words_of(panicked: &(dyn Any + Send)) -> String {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panicked.downcast_ref().copied());
    text.unwrap_or("it cannot be read").to_owned()
}

/// Counts flushes twice: in the log, where a number stands behind all that was flushed with it, and
/// in a file, once that is on disk. A log that was cut short has less than the file promises.
pub(super) struct Flushes {
    meta: sled::Tree,
    number: u64,
    mark: File,
}

impl Flushes {
    /// Whether nothing was ever flushed, as far as the log can say.
    pub(super) fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Writes the next number behind everything committed so far.
    pub(super) fn begin(&mut self) -> Result<(), StoreError> {
        self.number += 1;
        self.meta.insert(KEY, &self.number.to_be_bytes())?;
        Ok(())
    }

    /// Everything up to the number is on disk. The file is not synced: after a power cut it may
    /// promise less than there is, never more.
    pub(super) fn done(&self) -> io::Result<()> {
        self.mark.write_all_at(format!("{:020}\n", self.number).as_bytes(), 0)
    }

    /// Nothing where there is no file yet, or one that a power cut left without a number.
    fn promised(directory: &Path) -> Result<u64, StoreError> {
        match fs::read_to_string(directory.join(MARK)) {
            Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(0),
            Err(error) => Err(StoreError::Broken(error.to_string())),
        }
    }

    fn mark(directory: &Path) -> Result<File, StoreError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600);
        file.open(directory.join(MARK)).map_err(|error| StoreError::Broken(error.to_string()))
    }
}
