//! Keys and sizes from the terminal.

use std::{io, thread, time::Duration};

use crossterm::event::{Event, poll, read};
use tokio::sync::mpsc;

/// How soon the thread notices that nobody listens any more.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads the terminal of this process on a thread of its own, until the receiver is dropped.
///
/// A thread and not crossterm's `EventStream`, because its source spins for ever once the terminal is
/// closed (it takes the end of the file for a reason to read again): here that holds up nobody, and
/// the signal or the failing write that tells of the end is still heard.
pub(crate) fn read_terminal() -> io::Result<mpsc::Receiver<io::Result<Event>>> {
    let (outbox, events) = mpsc::channel(64);
    thread::Builder::new().name("keyboard".into()).spawn(move || {
        while !outbox.is_closed() {
            let event = match poll(PAUSE) {
                Ok(false) => continue,
                Ok(true) => read(),
                Err(error) => Err(error),
            };
            let failed = event.is_err();
            if outbox.blocking_send(event).is_err() || failed {
                return;
            }
        }
    })?;
    Ok(events)
}
