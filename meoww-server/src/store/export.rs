//! Everything that is kept, as plain JSON lines: a header, one typed record a line in a stable
//! order, and an end that tells a whole file from one cut short.
//!
//! ```json
//! {"type":"header","format":"meoww-export","version":1}
//! {"type":"account","key":"65f0...","value":{"id":"65f0...","name":"Ada", ...}}
//! {"type":"end","records":1}
//! ```

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Store, StoreError,
    engine::{Snapshot, blocking},
    kinds::Kind,
};
use crate::atomic_file::AtomicFile;

/// Of the lines of an export. Within a version fields may be added, and are ignored by who does not
/// know them.
pub const FORMAT_VERSION: u32 = 1;

/// One line.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<&'a str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) records: Option<u64>,
}

impl<'a> Line<'a> {
    fn of(kind: &'a str) -> Self {
        Self { kind, format: None, version: None, key: None, value: None, records: None }
    }
}

/// Bytes collected before they are written.
const BUFFER: usize = 64 << 10;

pub(super) const FORMAT: &str = "meoww-export";
pub(super) const HEADER: &str = "header";
pub(super) const END: &str = "end";

impl Store {
    /// Writes all records of this moment, password hashes included, and gives back `out` and how many
    /// they are. Others read and write meanwhile; what they change is not in it.
    pub async fn export<W: Write + Send + 'static>(&self, out: W) -> Result<(W, u64), StoreError> {
        let mut export = Export { snapshot: self.snapshot().await?, lines: Lines::begin(out)? };
        // Dropped between two steps, it is over.
        loop {
            export = match blocking(|| export.step()).await? {
                Step::Taken(export) => export,
                Step::Last(lines) => return blocking(|| lines.end()).await,
            }
        }
    }

    /// Like [`Store::export`], to a file that is whole and on disk once it has its name, and that
    /// only its owner can read.
    pub async fn export_file(&self, path: &Path) -> Result<u64, StoreError> {
        let draft = AtomicFile::create(path).map_err(|error| failed(&error))?;
        let (draft, records) = self.export(draft).await?;
        blocking(move || draft.commit().map(|()| records).map_err(|error| failed(&error))).await
    }
}

/// An export under way.
struct Export<W: Write> {
    snapshot: Snapshot,
    lines: Lines<W>,
}

enum Step<W: Write> {
    Taken(Export<W>),
    Last(Lines<W>),
}

impl<W: Write> Export<W> {
    fn step(mut self) -> Result<Step<W>, StoreError> {
        let Some((kind, records)) = self.snapshot.next()? else {
            return Ok(Step::Last(self.lines));
        };
        for (key, bytes) in records {
            self.lines.record(kind, &key, &bytes)?;
        }
        Ok(Step::Taken(self))
    }
}

/// Writes the lines of an export.
pub(super) struct Lines<W: Write> {
    out: BufWriter<W>,
    records: u64,
}

impl<W: Write> Lines<W> {
    pub(super) fn begin(out: W) -> Result<Self, StoreError> {
        let mut lines = Self { out: BufWriter::with_capacity(BUFFER, out), records: 0 };
        let (format, version) = (Some(FORMAT), Some(FORMAT_VERSION));
        lines.write(&Line { format, version, ..Line::of(HEADER) })?;
        Ok(lines)
    }

    pub(super) fn record(
        &mut self,
        kind: &Kind,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let key = hex(key);
        let value = RawValue::from_string((kind.to_json)(bytes)?)
            .map_err(|error| StoreError::Export(error.to_string()))?;
        self.write(&Line { key: Some(&key), value: Some(&*value), ..Line::of(kind.name) })?;
        self.records += 1;
        Ok(())
    }

    /// Gives back where the lines went, and how many records they are.
    pub(super) fn end(mut self) -> Result<(W, u64), StoreError> {
        self.write(&Line { records: Some(self.records), ..Line::of(END) })?;
        let out = self.out.into_inner().map_err(|error| failed(error.error()))?;
        Ok((out, self.records))
    }

    fn write(&mut self, line: &Line<'_>) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).expect("plain data always serialises");
        text.push(b'\n');
        self.out.write_all(&text).map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> StoreError {
    StoreError::Export(error.to_string())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let is_hex = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    let digit = |byte: u8| (byte as char).to_digit(16).map_or(0, |digit| digit as u8);
    is_hex.then(|| digits.chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect())
}
