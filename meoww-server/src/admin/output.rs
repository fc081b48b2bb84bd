//! What a command says: JSON for programs, tables for people.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

/// Standard output, in the form that was asked for.
pub(crate) struct Out {
    json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// One thing: an object, or a line for people.
    pub(crate) fn one(&self, value: &impl Serialize, human: &str) -> io::Result<()> {
        if self.json { write(&json(value)?) } else { write(human) }
    }

    /// One thing with several fields.
    pub(crate) fn fields<const N: usize>(
        &self,
        value: &impl Serialize,
        fields: [(&str, String); N],
    ) -> io::Result<()> {
        if self.json {
            return write(&json(value)?);
        }
        let mut table = table();
        table.add_rows(fields.map(|(name, text)| [name.to_owned(), clean(&text)]));
        write(&table.trim_fmt())
    }

    /// A list: an object a line, or a table with a heading.
    pub(crate) fn rows<T: Serialize, const N: usize>(
        &self,
        rows: &[T],
        heading: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> io::Result<()> {
        if self.json {
            return rows.iter().try_for_each(|row| write(&json(row)?));
        }
        let mut table = table();
        table.set_header(heading);
        table.add_rows(rows.iter().map(|value| row(value).map(|text| clean(&text))));
        write(&table.trim_fmt())
    }

    /// Something beside the answer, for people.
    pub(crate) fn hint(&self, text: &str) {
        if !self.json {
            say(text);
        }
    }
}

/// Writes a line to standard error, apart from the output that programs read. A failed write is
/// ignored.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn json(value: &impl Serialize) -> io::Result<String> {
    serde_json::to_string(value).map_err(io::Error::from)
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// Text of users and strangers must not steer the operator's terminal.
fn clean(text: &str) -> String {
    let is_steering = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect()
}

/// Whoever stops reading has read enough.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
