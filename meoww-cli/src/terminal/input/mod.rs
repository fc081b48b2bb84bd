//! Keys, pastes and replies from the terminal.

mod keys;
mod parser;
mod reply;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    stdio::stdin,
};
use tokio::sync::mpsc;

pub use self::{
    parser::{Parser, TerminalInput},
    reply::Reply,
};

/// How soon the thread notices that nobody listens any more.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How long after an ESC the rest of a sequence may come; after that it was the Escape key.
const ESCAPE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The same while answers are on their way, which a slow line may break up anywhere.
const ESCAPE_OF_ANSWER: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
/// After so many pauses, the rest of a sequence does not come.
const MAX_PAUSES: u32 = 10;
/// Inputs that wait to be handled; when it is full, the terminal waits.
const QUEUE: usize = 256;

/// Whether answers of the terminal are on their way; clones are of the same terminal.
#[derive(Debug, Clone, Default)]
pub struct Expecting(Arc<AtomicBool>);

impl Expecting {
    pub(super) fn set(&self, is_expecting: bool) {
        self.0.store(is_expecting, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads standard input, which is a terminal, on a thread of its own, until the receiver is dropped.
///
/// A thread, as a terminal that does not block for this program would not block for the shell
/// either: they share the open file. The end of the input is an error.
///
/// While answers are `expecting`ed, an ESC is longer taken for the beginning of one.
pub fn read_terminal(
    expecting: Expecting,
) -> io::Result<mpsc::Receiver<io::Result<TerminalInput>>> {
    let (outbox, inputs) = mpsc::channel(QUEUE);
    thread::Builder::new().name("keyboard".into()).spawn(move || {
        let (mut parser, mut found, mut bytes) = (Parser::default(), Vec::new(), [0; 4096]);
        let mut pauses = 0;
        while !outbox.is_closed() {
            let pause = match parser.is_undecided() {
                true if expecting.get() => ESCAPE_OF_ANSWER,
                true => ESCAPE,
                false => PAUSE,
            };
            match next(&mut bytes, pause) {
                Ok(Some(length)) => {
                    parser.feed(&bytes[..length], &mut found);
                    pauses = 0;
                }
                Ok(None) => {
                    parser.decide(&mut found);
                    pauses += 1;
                    if pauses == MAX_PAUSES {
                        parser.abandon_sequence();
                    }
                }
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
