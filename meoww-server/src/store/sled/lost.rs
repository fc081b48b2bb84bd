//! Tells a first start from a database that is gone. Where there is none, sled begins an empty one
//! without a word; in the place of one that was deleted, or whose disk is not mounted, that would
//! pass for a server on which nobody ever signed up.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{Sled, opening};
use crate::{
    atomic_file::AtomicFile,
    store::{StoreError, exports, tables::Tables},
};

/// File beside the database that says there is one.
const MARK: &str = "db.begun";
const WORDS: &str = "The database beside this file was begun: an empty one will not take its place \
                     as long as this file is here.\n";

/// What to do where a database was and is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMissingDatabase {
    /// Say so, and leave everything as it is.
    Refuse,
    /// Begin another one, into which an operator brings back what is left.
    BeginAnew,
}

impl Sled {
    /// Opens the database of a data directory, or begins it at the first start.
    pub(in crate::store) fn open_in(
        data_dir: &Path,
        if_lost: OnMissingDatabase,
    ) -> Result<Self, StoreError> {
        let directory = data_dir.join("db");
        let remains =
            if if_lost == OnMissingDatabase::Refuse { remains(data_dir) } else { Vec::new() };
        let demand_first_start = || match remains.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Lost {
                data_dir: data_dir.to_owned(),
                export: exports::newest(data_dir),
                remains: remains.clone(),
            }),
        };
        if is_vacant(&directory) {
            demand_first_start()?;
        }
        let opened = opening::open(&directory)?;
        // As an import leaves it that took nothing.
        if opened.flushes.is_first() && Tables::Sled(opened.trees.clone()).hold_nothing()? {
            demand_first_start()?;
        }
        let store = Self::start(opened, &directory, if_lost == OnMissingDatabase::Refuse)?;
        if if_lost == OnMissingDatabase::Refuse {
            mark(data_dir).map_err(|error| StoreError::Broken(error.to_string()))?;
        }
        Ok(store)
    }
}

/// What is there only where a server has run. The mark is younger than exports and photos, and these
/// stay when somebody takes the mark away with the database.
fn remains(data_dir: &Path) -> Vec<PathBuf> {
    let photos = data_dir.join("photos");
    let mark = Some(data_dir.join(MARK)).filter(|mark| mark.exists());
    let export = exports::newest(data_dir);
    let exports = export.and_then(|path| path.parent().map(Path::to_owned));
    let photos = Some(photos).filter(|photos| !is_vacant(photos));
    [mark, exports, photos].into_iter().flatten().collect()
}

/// Nothing in it, or not there; what cannot be read is for others to say.
fn is_vacant(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn mark(data_dir: &Path) -> io::Result<()> {
    let path = data_dir.join(MARK);
    if path.exists() {
        return Ok(());
    }
    let mut draft = AtomicFile::create(&path)?;
    draft.write_all(WORDS.as_bytes())?;
    draft.commit()
}
