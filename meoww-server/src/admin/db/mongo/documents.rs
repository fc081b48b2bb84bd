//! A stream of JSON values, taken apart into its objects: one a line, pretty-printed, one right after
//! the other, in arrays, behind byte order marks.
//!
//! One object is held at a time. After one that is broken, reading goes on where the next begins:
//! behind it, or at the first line inside it that begins with `{`, as whatever was cut off lets the
//! objects after it seem to be its own.

use std::io::{self, BufRead};

use serde_json::Value;

/// Longest object.
const MAX_DOCUMENT: usize = 1 << 20;
/// Broken objects after which the rest is not read.
const MAX_BROKEN: usize = 1000;

/// What stands where an object was expected, by the line it begins on (counted from 1).
pub(crate) type Found = (u64, Result<Value, String>);

pub(crate) struct Documents<R> {
    input: R,
    /// Read once already, to be read again.
    again: Vec<u8>,
    /// How much of it has been.
    place: usize,
    line: u64,
    /// Arrays that have begun and not ended.
    arrays: u32,
    broken: usize,
    is_begun: bool,
    is_done: bool,
}

impl<R: BufRead> Documents<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            again: Vec::new(),
            place: 0,
            line: 1,
            arrays: 0,
            broken: 0,
            is_begun: false,
            is_done: false,
        }
    }

    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        let byte = if let Some(byte) = self.again.get(self.place) {
            self.place += 1;
            *byte
        } else {
            let Some(byte) = self.input.fill_buf()?.first().copied() else { return Ok(None) };
            self.input.consume(1);
            byte
        };
        self.line += u64::from(byte == b'\n');
        Ok(Some(byte))
    }

    /// What a file that begins like this is, if it is no JSON in UTF-8.
    fn check_encoding(&mut self) -> io::Result<Result<(), &'static str>> {
        let mut begin = Vec::new();
        while begin.len() < 8
            && let Some(byte) = self.next_byte()?
        {
            begin.push(byte);
        }
        let kind = match begin[..] {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{' | b'[', 0, ..] | [0, b'{' | b'[', ..] => {
                Err("is UTF-16; convert it with `iconv -f UTF-16 -t UTF-8`")
            }
            [0x1f, 0x8b, ..] => Err("is compressed; decompress it with `gunzip`"),
            _ if begin.contains(&0) => {
                Err("is no text; mongoexport writes JSON, and bsondump makes it of BSON")
            }
            _ => Ok(()),
        };
        (self.again, self.place, self.line) = (begin, 0, 1);
        Ok(kind)
    }

    /// Goes to the next object and takes it; `None` at the end.
    fn advance(&mut self) -> io::Result<Option<Found>> {
        loop {
            let line = self.line;
            let Some(byte) = self.next_byte()? else {
                self.is_done = true;
                let reason = "the array has no end: the file was cut short".to_owned();
                return Ok((self.arrays > 0).then_some((line, Err(reason))));
            };
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => {}
                // A byte order mark; files that were put together have several.
                0xef | 0xbb | 0xbf => {}
                b'[' => self.arrays = self.arrays.saturating_add(1),
                b']' if self.arrays > 0 => self.arrays -= 1,
                b'{' => return self.document(line).map(|found| Some((line, found))),
                _ => {
                    self.skip()?;
                    return Ok(Some((line, Err("is no JSON object".into()))));
                }
            }
        }
    }

    /// Skips what is no object: a line, or in an array a member of it.
    fn skip(&mut self) -> io::Result<()> {
        while let Some(byte) = self.next_byte()? {
            if byte == b'\n' || (self.arrays > 0 && matches!(byte, b',' | b']')) {
                self.arrays -= u32::from(byte == b']');
                break;
            }
        }
        Ok(())
    }

    /// Takes an object whose `{` has been read.
    fn document(&mut self, line: u64) -> io::Result<Result<Value, String>> {
        let (mut text, mut depth) = (vec![b'{'], 1_u32);
        let (mut in_text, mut is_escaped) = (false, false);
        let mut next: Option<(usize, u64)> = None;
        let outcome = loop {
            let Some(byte) = self.next_byte()? else {
                break Err("has no end: it was cut off".to_owned());
            };
            if byte == b'{' && text.ends_with(b"\n") {
                next = next.or(Some((text.len(), self.line)));
            }
            text.push(byte);
            match byte {
                _ if text.len() > MAX_DOCUMENT => break Err("is longer than 1 MiB".into()),
                b'\n' if in_text => break Err("was cut off, or has a line break in a text".into()),
                _ if is_escaped => is_escaped = false,
                b'\\' if in_text => is_escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break serde_json::from_slice(&text).map_err(|error| {
                    let line = line + error.line() as u64 - 1;
                    format!("is no JSON at line {line}, column {}", error.column())
                });
            }
        };
        if let (Err(_), Some((place, line))) = (&outcome, next) {
            let mut again = text.split_off(place);
            again.extend(self.again.drain(self.place.min(self.again.len())..));
            (self.again, self.place, self.line) = (again, 0, line);
        }
        Ok(outcome)
    }

    fn found(&mut self) -> io::Result<Option<Found>> {
        if !std::mem::replace(&mut self.is_begun, true)
            && let Err(reason) = self.check_encoding()?
        {
            self.is_done = true;
            return Ok(Some((1, Err(reason.into()))));
        }
        let found = self.advance()?;
        if let Some((line, Err(reason))) = &found {
            self.broken += 1;
            if self.broken >= MAX_BROKEN {
                self.is_done = true;
                let reason = format!("{reason}; after {MAX_BROKEN} such, the rest was not read");
                return Ok(Some((*line, Err(reason))));
            }
        }
        Ok(found)
    }
}

impl<R: BufRead> Iterator for Documents<R> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if self.is_done {
            return None;
        }
        self.found().unwrap_or_else(|error| {
            self.is_done = true;
            Some((self.line, Err(error.to_string())))
        })
    }
}

#[cfg(test)]
mod tests;
