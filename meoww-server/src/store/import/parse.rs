//! Exports, line by line.

use std::io::{BufRead, Read};

use super::{Batch, Fault, Ready};
use crate::{
    core::account::{Account, Name, Username},
    store::{
        export::{END, FORMAT, FORMAT_VERSION, HEADER, Line, unhex},
        kinds::Kind,
        records::decode,
    },
};

/// Longest line of an export.
const MAX_LINE: u64 = 1 << 20;
/// Faults after which the rest is not looked at.
const MAX_FAULTS: usize = 1000;

impl Batch {
    /// Reads an export; nothing of it is taken when a line is faulty.
    pub fn parse(input: impl BufRead) -> Result<Self, Vec<Fault>> {
        Self::default().read(input)
    }

    /// Adds what an export holds; nothing of it is taken when a line is faulty.
    pub fn read(self, mut input: impl BufRead) -> Result<Self, Vec<Fault>> {
        let (mut batch, mut faults) = (self, Vec::new());
        let (mut text, mut number, mut end) = (String::new(), 0, None);
        loop {
            text.clear();
            number += 1;
            match input.by_ref().take(MAX_LINE).read_line(&mut text) {
                Ok(0) => break,
                Ok(_) if text.trim().is_empty() => continue,
                Ok(_) => {}
                Err(error) => {
                    faults.push(Fault::at(number, error.to_string()));
                    break;
                }
            }
            let read = match number {
                1 => header(&text),
                _ if end.is_some() => Err("follows the end".into()),
                _ => batch.take(number, &text).map(|ended| end = ended),
            };
            if let Err(reason) = read {
                faults.push(Fault::at(number, reason));
                if number == 1 || faults.len() >= MAX_FAULTS {
                    return Err(faults);
                }
            }
        }
        if faults.is_empty() && end != Some(batch.spool.len()) {
            faults.push(Fault::at(number, "the export was cut short"));
        }
        if faults.is_empty() { Ok(batch) } else { Err(faults) }
    }

    /// Takes one line; gives the number of records if it is the last.
    fn take(&mut self, number: u64, text: &str) -> Result<Option<u64>, String> {
        let line: Line<'_> = serde_json::from_str(text).map_err(|_| malformed(text))?;
        if line.kind == END {
            return line.records.map(Some).ok_or_else(|| "says no number of records".into());
        }
        let kind = Kind::named(line.kind)
            .ok_or_else(|| format!("is of a type this version does not know: {:?}", line.kind))?;
        let key = line.key.and_then(unhex).ok_or("has no key")?;
        let value = line.value.ok_or("has no value")?;
        let value = (kind.from_json)(value.get())
            .map_err(|error| format!("is no {}: {:?}", kind.name, error.classify()))?;
        if kind.is_account() {
            let read = decode::<Account>(&value).map_err(|error| error.to_string())?;
            well_formed(&read)?;
            if read.id.as_bytes()[..] != key[..] {
                return Err("has another id than its key says".into());
            }
        }
        self.spool.push(&Ready { line: number, kind, key, value, migration: None });
        Ok(None)
    }
}

fn header(text: &str) -> Result<(), String> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|_| malformed(text))?;
    if line.kind != HEADER || line.format != Some(FORMAT) {
        return Err("is no header of a meoww-export".into());
    }
    match line.version {
        Some(FORMAT_VERSION) => Ok(()),
        Some(version) => Err(format!("is of format version {version}, this is {FORMAT_VERSION}")),
        None => Err("says no format version".into()),
    }
}

/// Says nothing of what the line holds, as that may be a secret.
fn malformed(text: &str) -> String {
    if text.len() as u64 >= MAX_LINE { "is too long".into() } else { "is no record".into() }
}

/// Fields are checked at the border, and a file is one.
fn well_formed(account: &Account) -> Result<(), String> {
    let user = account.to_user(None);
    Name::parse(&user.name).map_err(|error| error.to_string())?;
    let username = Username::parse(&user.username).map_err(|error| error.to_string())?;
    if username != account.username || !account.email.is_normalised() {
        return Err("has a username or address that is not as it is compared".into());
    }
    Ok(())
}
