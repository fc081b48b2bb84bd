//! The one place that prints: sentences for people, JSON for scripts.

use std::io::{self, Write};

use serde::Serialize;

use crate::{error::Error, text::drawable};

/// Where results and errors go, and in what form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON objects, one a line, or sentences.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// A result: `data` for scripts, `text` for people, on stdout.
    pub fn result(self, text: &str, data: &impl Serialize) -> io::Result<()> {
        let line = if self.json { inert(&serde_json::to_string(data)?) } else { harmless(text) };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    }

    /// Something to know on the way, for people only, on stderr.
    pub fn note(self, text: &str) {
        if !self.json {
            say(&harmless(text));
        }
    }

    /// The end of a command that failed, on stderr: a sentence, or
    /// `{"error":SENTENCE,"code":NAME,"exitCode":N}`.
    pub fn error(self, error: &Error) {
        let (exit_code, code) = error.code();
        if self.json {
            let error = error.to_string();
            let line = serde_json::json!({"error": error, "code": code, "exitCode": exit_code});
            say(&inert(&line.to_string()));
        } else {
            say(&harmless(&format!("meoww: {error}")));
        }
    }
}

/// Writes a line to stderr. A failed write is ignored: the exit code says the same.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Names, addresses and reasons come from the server: nothing in them may act on the terminal.
fn harmless(text: &str) -> String {
    text.chars().filter_map(|c| if c == '\n' { Some(c) } else { drawable(c) }).collect()
}

/// JSON of the same meaning, in which what a terminal would act on is escaped. Such characters stand in
/// strings only, and those below U+0020 are escaped already.
pub(crate) fn inert(json: &str) -> String {
    let mut inert = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || drawable(c) == Some(c) {
            inert.push(c);
        } else {
            let mut units = [0; 2];
            inert.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_means_the_same_and_acts_on_nothing() {
        let data = serde_json::json!({"name": "ada\x1b[2J\u{9b}31m\u{202e}\u{7f}é 世\u{e0041}"});
        let printed = inert(&data.to_string());
        let expected = r#"{"name":"ada\u001b[2J\u009b31m\u202e\u007fé 世\udb40\udc41"}"#;
        assert_eq!(printed, expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).expect("JSON"), data);
    }

    proptest! {
        #[test]
        fn json_of_any_text_means_the_same_and_acts_on_nothing(text: String) {
            let json = serde_json::to_string(&text).expect("JSON");
            let printed = inert(&json);
            prop_assert_eq!(serde_json::from_str::<String>(&printed).expect("JSON"), text);
            let odd = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}'];
            let acts = |c: char| c.is_control() || odd.iter().any(|range| range.contains(&c));
            prop_assert!(!printed.contains(acts), "{printed:?}");
        }
    }

    #[test]
    fn what_a_terminal_acts_on_is_not_printed() {
        let hostile = "ada\x1b[2J\u{9b}31m\u{202e}\r\x07\nnext line";
        assert_eq!(harmless(hostile), "ada[2J31m \nnext line");
    }
}
