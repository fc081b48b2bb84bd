//! Prints on a thread of its own: a reader that is slow, or gone, holds up no call.

use std::{
    io::{self, ErrorKind},
    thread,
};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::output::Output;

/// Lines that may wait for the reader.
const QUEUE: usize = 64;

/// A sentence for people, and the same for scripts.
pub(super) type Line = (String, Value);

/// The thread, from the side of those who print.
pub(super) struct Printer {
    /// Closed when the reader is gone.
    pub(super) lines: mpsc::Sender<Line>,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Printer {
    pub(super) fn start(out: Output) -> io::Result<Self> {
        let (lines, mut queue) = mpsc::channel::<Line>(QUEUE);
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut printed = Ok(());
            while let Some((text, data)) = queue.blocking_recv() {
                printed = out.result(&text, &data);
                if printed.is_err() {
                    break;
                }
            }
            let _ = end.send(printed);
        })?;
        Ok(Self { lines, ended })
    }

    /// Waits until all is printed. A reader that has read enough is no error.
    pub(super) async fn finish(self) -> io::Result<()> {
        let Self { lines, ended } = self;
        drop(lines);
        match ended.await {
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
