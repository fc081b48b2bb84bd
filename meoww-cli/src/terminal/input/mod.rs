//! Keys, pastes and replies from the terminal.

mod keys;
mod parser;
mod reply;

use std::{
    io::{self, PipeReader, PipeWriter},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
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

/// How long the terminal is silent before a pause is counted.
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

/// The inputs from the terminal, in order. The end of the input is an error.
///
/// When it is dropped, not a byte more is read: later keys are for the shell.
#[derive(Debug)]
pub struct Inputs {
    queue: mpsc::Receiver<io::Result<TerminalInput>>,
    reader: Option<Reader>,
}

/// The thread that reads, which ends when the other end of its pipe is closed.
#[derive(Debug)]
struct Reader {
    open: PipeWriter,
    thread: JoinHandle<()>,
}

impl Inputs {
    /// The next input; `None` after an error.
    pub async fn recv(&mut self) -> Option<io::Result<TerminalInput>> {
        self.queue.recv().await
    }

    /// Inputs from a test.
    #[cfg(test)]
    pub fn from_queue(queue: mpsc::Receiver<io::Result<TerminalInput>>) -> Self {
        Self { queue, reader: None }
    }
}

impl Drop for Inputs {
    fn drop(&mut self) {
        // The thread may wait for room in the queue.
        self.queue.close();
        if let Some(Reader { open, thread }) = self.reader.take() {
            drop(open);
            let _ = thread.join();
        }
    }
}

/// Reads standard input, which is a terminal, on a thread of its own.
///
/// A thread, as a terminal that does not block for this program would not block for the shell
/// either: they share the open file.
///
/// While answers are `expecting`ed, an ESC is longer taken for the beginning of one.
pub fn read_terminal(expecting: Expecting) -> io::Result<Inputs> {
    let (outbox, queue) = mpsc::channel(QUEUE);
    let (closed, open) = io::pipe()?;
    let read = move || read_until(&closed, &expecting, &outbox);
    let thread = thread::Builder::new().name("keyboard".into()).spawn(read)?;
    Ok(Inputs { queue, reader: Some(Reader { open, thread }) })
}

fn read_until(
    closed: &PipeReader,
    expecting: &Expecting,
    outbox: &mpsc::Sender<io::Result<TerminalInput>>,
) {
    let (mut parser, mut found, mut bytes) = (Parser::default(), Vec::new(), [0; 4096]);
    let mut pauses = 0;
    loop {
        let pause = match parser.is_undecided() {
            true if expecting.get() => ESCAPE_OF_ANSWER,
            true => ESCAPE,
            false => PAUSE,
        };
        match next(&mut bytes, closed, pause) {
            Ok(Next::Bytes(length)) => {
                parser.feed(&bytes[..length], &mut found);
                pauses = 0;
            }
            Ok(Next::Pause) => {
                parser.decide(&mut found);
                pauses += 1;
                if pauses == MAX_PAUSES {
                    parser.abandon_sequence();
                }
            }
            Ok(Next::Closed) => return,
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
}

/// The result of waiting for input.
enum Next {
    /// So many bytes were read.
    Bytes(usize),
    /// The time passed without any.
    Pause,
    /// The inputs were dropped.
    Closed,
}

fn next(bytes: &mut [u8], closed: &PipeReader, pause: Timespec) -> io::Result<Next> {
    let stdin = stdin();
    let mut waiting = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(closed, PollFlags::empty())];
    match poll(&mut waiting, Some(&pause)) {
        Ok(0) | Err(Errno::INTR) => return Ok(Next::Pause),
        Ok(_) if waiting[1].revents().contains(PollFlags::HUP) => return Ok(Next::Closed),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    match read(stdin, bytes) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => Ok(Next::Bytes(length)),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Next::Pause),
        Err(error) => Err(error.into()),
    }
}
