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
use sled::IVec;

use super::{
    Store, StoreError,
    kinds::{KINDS, Kind},
    trees::Trees,
};
use crate::draft::Draft;

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

pub(super) const FORMAT: &str = "meoww-export";
pub(super) const HEADER: &str = "header";
pub(super) const END: &str = "end";

/// What one tree held at one moment.
pub(super) type Held = Vec<(IVec, IVec)>;

impl Store {
    /// Writes all there was at one moment, password hashes included, and gives back `out` and how
    /// many records it took. Nothing waits while it is written.
    pub async fn export<W: Write + Send + 'static>(&self, out: W) -> Result<(W, u64), StoreError> {
        let held = self.read_alone(Trees::hold).await?;
        self.read(move |_| {
            let mut out = BufWriter::new(out);
            let records = write_all(&mut out, &held)?;
            let out = out.into_inner().map_err(|error| failed(error.error()))?;
            Ok((out, records))
        })
        .await
    }

    /// Like [`Store::export`], to a file that is whole and on disk once it has its name, and that
    /// only its owner can read.
    pub async fn export_file(&self, path: &Path) -> Result<u64, StoreError> {
        let draft = Draft::create(path).map_err(|error| failed(&error))?;
        let (draft, records) = self.export(draft).await?;
        self.read(move |_| draft.keep().map(|()| records).map_err(|error| failed(&error))).await
    }
}

impl Trees {
    /// A copy of everything, in the order of [`KINDS`]; values are shared with the cache.
    pub(super) fn hold(&self) -> Result<Vec<Held>, StoreError> {
        let tree = |kind: &Kind| self.tree(kind.table).iter().collect::<Result<Held, _>>();
        Ok(KINDS.iter().map(tree).collect::<Result<_, _>>()?)
    }
}

pub(super) fn write_all(out: &mut impl Write, held: &[Held]) -> Result<u64, StoreError> {
    let header = Line { format: Some(FORMAT), version: Some(FORMAT_VERSION), ..Line::of(HEADER) };
    write(out, &header)?;
    let mut records = 0;
    for (kind, held) in KINDS.iter().zip(held) {
        for (key, bytes) in held {
            let key = hex(key);
            let value = RawValue::from_string((kind.to_json)(bytes)?)
                .map_err(|error| StoreError::Export(error.to_string()))?;
            let line = Line { key: Some(&key), value: Some(&*value), ..Line::of(kind.name) };
            write(out, &line)?;
            records += 1;
        }
    }
    write(out, &Line { records: Some(records), ..Line::of(END) })?;
    out.flush().map_err(|error| failed(&error))?;
    Ok(records)
}

fn write(out: &mut impl Write, line: &Line<'_>) -> Result<(), StoreError> {
    let mut text = serde_json::to_vec(line).expect("plain data always serialises");
    text.push(b'\n');
    out.write_all(&text).map_err(|error| failed(&error))
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
