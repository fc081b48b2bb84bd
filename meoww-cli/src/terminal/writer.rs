//! The way to the terminal. It may be slow, or stop: so a thread writes, with never more than one
//! update on the way, and whatever comes meanwhile is drawn into the next.

use std::{
    io::{self, Write},
    sync::mpsc as sync,
    thread,
};

use tokio::sync::mpsc;

/// Writes one update after the other.
pub(crate) struct Writer {
    updates: sync::SyncSender<Vec<u8>>,
    done: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// A buffer to draw into; none while it is being written.
    buffer: Option<Vec<u8>>,
}

impl Writer {
    pub(crate) fn new(mut terminal: impl Write + Send + 'static) -> io::Result<Self> {
        let (updates, inbox) = sync::sync_channel::<Vec<u8>>(1);
        let (outbox, done) = mpsc::channel(1);
        thread::Builder::new().name("terminal".into()).spawn(move || {
            for update in inbox {
                let result = terminal.write_all(&update).and_then(|()| terminal.flush());
                if outbox.blocking_send(result.map(|()| update)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { updates, done, buffer: Some(Vec::new()) })
    }

    /// An empty buffer, unless an update is still on its way.
    pub(crate) fn buffer(&mut self) -> Option<Vec<u8>> {
        self.buffer.take()
    }

    /// Sends off what was drawn into the buffer.
    pub(crate) fn write(&mut self, update: Vec<u8>) {
        if update.is_empty() {
            self.buffer = Some(update);
        } else {
            // Only one buffer exists, so there is room; a thread that is gone has said why.
            let _ = self.updates.try_send(update);
        }
    }

    /// Waits for the update on its way, if any; an error is the end of the terminal.
    ///
    /// Cancel safe.
    pub(crate) async fn written(&mut self) -> io::Result<()> {
        if self.buffer.is_some() {
            std::future::pending::<()>().await;
        }
        let mut buffer = self.done.recv().await.ok_or(io::ErrorKind::BrokenPipe)??;
        buffer.clear();
        self.buffer = Some(buffer);
        Ok(())
    }
}
