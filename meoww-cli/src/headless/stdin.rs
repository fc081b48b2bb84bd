//! Commands of a script: one JSON object a line.

use std::{
    io::{BufRead, Read},
    thread,
};

use serde::Deserialize;
use tokio::sync::mpsc;

use crate::core::event::{Command, InvalidReason};

/// Bytes of a line, at most; a longer one is read as several.
const MAX_LINE: u64 = 64 * 1024;

/// A command, or why a line is none.
pub(super) type Asked = Result<Command, String>;

/// A line of stdin.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Message { text: String },
    Skip,
    Mute,
    Unmute,
    Direct,
    Block,
    Report { reason: String },
    Leave,
}

/// Reads standard input on a thread of its own: a blocked read must not keep the program from
/// ending.
pub(super) fn read_stdin() -> std::io::Result<mpsc::Receiver<Asked>> {
    let (sender, commands) = mpsc::channel(16);
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || read(std::io::stdin().lock(), &sender))?;
    Ok(commands)
}

/// Reads until the input ends or the receiver is dropped.
fn read(mut input: impl BufRead, commands: &mpsc::Sender<Asked>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        // Bytes and not text: a line that is not UTF-8 is an error of that line only.
        match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        if !line.trim_ascii().is_empty() && commands.blocking_send(asked(&line)).is_err() {
            return;
        }
    }
}

fn asked(line: &[u8]) -> Asked {
    let line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok(match line {
        Line::Message { text } => Command::Chat(text),
        Line::Skip => Command::Skip,
        Line::Mute => Command::Mute(true),
        Line::Unmute => Command::Mute(false),
        Line::Direct => Command::GoDirect,
        Line::Block => Command::Block,
        Line::Report { reason } => {
            Command::Report(reason.parse().map_err(|error: InvalidReason| error.to_string())?)
        }
        Line::Leave => Command::Quit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_spoils_no_other() {
        let lines =
            b"\xff\n\n{\"command\":\"message\",\"text\":\"\xc3\x28\"}\n{\"command\":\"skip\"}\r\n\
            {\"command\":\"dance\"}\n{\"command\":\"unmute\"}\n{\"command\":\"leave\"}";
        let (sender, mut received) = mpsc::channel(16);
        read(&lines[..], &sender);
        drop(sender);
        let mut next = || received.blocking_recv().map(Result::ok);
        assert_eq!(next(), Some(None), "a byte that no text has");
        assert_eq!(next(), Some(None), "half a character");
        assert_eq!(next(), Some(Some(Command::Skip)));
        assert_eq!(next(), Some(None), "an unknown command");
        assert_eq!(next(), Some(Some(Command::Mute(false))));
        assert_eq!(next(), Some(Some(Command::Quit)));
        assert_eq!(next(), None);
    }
}
