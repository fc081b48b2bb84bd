//! Records on their way into the database, in the order they came: in memory while they are few, then
//! in a file without a name, which ends with the process.

use std::{
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

use tempfile::{SpooledTempFile, spooled_tempfile, spooled_tempfile_in};

use super::Ready;
use crate::store::{StoreError, kinds::KINDS};

/// Bytes kept in memory.
const IN_MEMORY: usize = 1 << 20;

pub(super) struct Spool {
    directory: Option<PathBuf>,
    file: BufWriter<SpooledTempFile>,
    records: u64,
    /// The first failure, for who reads.
    failed: Option<io::Error>,
}

impl Spool {
    /// With its file in this directory, or else in that of the system, which may be in memory.
    pub(super) fn new(directory: Option<&Path>) -> Self {
        let file = match directory {
            Some(directory) => spooled_tempfile_in(IN_MEMORY, directory),
            None => spooled_tempfile(IN_MEMORY),
        };
        let directory = directory.map(Path::to_owned);
        Self { directory, file: BufWriter::new(file), records: 0, failed: None }
    }

    /// Another one in the same place.
    pub(super) fn beside(&self) -> Self {
        Self::new(self.directory.as_deref())
    }

    pub(super) fn len(&self) -> u64 {
        self.records
    }

    /// Adds a record; none may be added once they are read.
    pub(super) fn push(&mut self, ready: &Ready) {
        self.records += 1;
        if self.failed.is_none() {
            self.failed = self.write(ready).err();
        }
    }

    fn write(&mut self, ready: &Ready) -> io::Result<()> {
        let Ready { line, kind, key, value, migration } = ready;
        let kind = KINDS.iter().position(|known| known.name == kind.name).unwrap_or_default();
        let migration = serde_json::to_vec(migration)?;
        self.file.write_all(&line.to_le_bytes())?;
        self.file.write_all(&(kind as u64).to_le_bytes())?;
        for part in [key, value, &migration] {
            self.file.write_all(&(part.len() as u64).to_le_bytes())?;
            self.file.write_all(part)?;
        }
        Ok(())
    }

    /// Reads all records from the first on.
    pub(super) fn read(&mut self) -> Result<Reader<'_>, StoreError> {
        if let Some(error) = self.failed.take() {
            return Err(failed(&error));
        }
        self.file.flush().and_then(|()| self.file.get_mut().rewind()).map_err(|e| failed(&e))?;
        Ok(Reader { file: BufReader::new(self.file.get_mut()), left: self.records })
    }
}

/// The records of a [`Spool`].
pub(super) struct Reader<'a> {
    file: BufReader<&'a mut SpooledTempFile>,
    left: u64,
}

impl Reader<'_> {
    fn ready(&mut self) -> io::Result<Ready> {
        let (line, kind) = (self.number()?, self.number()?);
        let kind = &KINDS[usize::try_from(kind).map_err(io::Error::other)?];
        let [key, value, migration] = [self.part()?, self.part()?, self.part()?];
        let migration = serde_json::from_slice(&migration)?;
        Ok(Ready { line, kind, key, value, migration })
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn part(&mut self) -> io::Result<Vec<u8>> {
        let length = self.number()?;
        let mut part = Vec::new();
        (&mut self.file).take(length).read_to_end(&mut part)?;
        Ok(part)
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Ready, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.ready().map_err(|error| failed(&error)))
    }
}

fn failed(error: &io::Error) -> StoreError {
    StoreError::Broken(format!("what is to be imported could not be kept on the way: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::import::Migration;

    fn record(n: u64) -> Ready {
        let migration = (n == 7).then(|| {
            let (refused, changes) = (Some("Old Name".to_owned()), Vec::new());
            Box::new(Migration { refused, changes })
        });
        let (kind, value) = (&KINDS[n as usize % KINDS.len()], vec![n as u8; 1000]);
        Ready { line: n, kind, key: n.to_be_bytes().to_vec(), value, migration }
    }

    #[test]
    fn records_come_back_in_their_order_from_a_file_that_nobody_finds() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut spool = Spool::new(Some(dir.path()));
        let many = 3 * IN_MEMORY as u64 / 1000;
        for n in 0..many {
            spool.push(&record(n));
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 0);
        for _ in 0..2 {
            let mut next = 0;
            for ready in spool.read().expect("kept") {
                let (ready, expected) = (ready.expect("kept"), record(next));
                assert_eq!((ready.line, ready.kind.name), (next, expected.kind.name));
                assert_eq!((ready.key, ready.value), (expected.key, expected.value));
                let refused = ready.migration.and_then(|migration| migration.refused);
                assert_eq!(refused.is_some(), next == 7);
                next += 1;
            }
            assert_eq!(next, many);
        }
    }

    #[test]
    fn a_record_that_could_not_be_kept_is_told_to_who_reads() {
        let mut spool = Spool::new(Some(Path::new("/nonexistent")));
        for n in 0..2 * IN_MEMORY as u64 / 1000 {
            spool.push(&record(n));
        }
        assert!(matches!(spool.read().err(), Some(StoreError::Broken(_))));
    }
}
