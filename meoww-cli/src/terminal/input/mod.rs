//! Keys, pastes and replies from the terminal.

mod keys;
mod parser;

use std::{io, thread};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    stdio::stdin,
};
use tokio::sync::mpsc;

pub use self::parser::{Parser, Reply, TerminalInput};

/// How soon the thread notices that nobody listens any more.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How long after an ESC the rest of a sequence may come; after that it was the Escape key.
const ESCAPE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Inputs that wait to be handled; when it is full, the terminal waits.
const QUEUE: usize = 256;

/// Reads standard input, which is a terminal, on a thread of its own, until the receiver is dropped.
///
/// A thread, as a terminal that does not block for this program would not block for the shell
/// either: they share the open file. The end of the input is an error.
pub fn read_terminal() -> io::Result<mpsc::Receiver<io::Result<TerminalInput>>> {
    let (outbox, inputs) = mpsc::channel(QUEUE);
    thread::Builder::new().name("keyboard".into()).spawn(move || {
        let (mut parser, mut found, mut bytes) = (Parser::default(), Vec::new(), [0; 4096]);
        while !outbox.is_closed() {
            let pause = if parser.is_undecided() { ESCAPE } else { PAUSE };
            match next(&mut bytes, pause) {
                Ok(Some(length)) => parser.feed(&bytes[..length], &mut found),
                Ok(None) => parser.decide(&mut found),
                Err(error) => {
                    let _ = outbox.blocking_send(Err(error));
                    return;
                }
            }
            for input in found.drain(..) {
                if outbox.blocking_send(Ok(input)).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok(inputs)
}

/// The number of bytes that came; `None` when the time passed without any.
fn next(bytes: &mut [u8], pause: Timespec) -> io::Result<Option<usize>> {
    let stdin = stdin();
    let mut input = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut input, Some(&pause)) {
        Ok(0) | Err(Errno::INTR) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    match read(stdin, bytes) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => Ok(Some(length)),
        Err(Errno::INTR | Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
