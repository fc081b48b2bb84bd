//! The way to the terminal. It may be slow, or stop: so a thread writes, few updates are under way at
//! once, and whatever comes meanwhile is drawn into the next.

use std::{
    io::{self, Write},
    sync::mpsc as sync,
    thread,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    flow::{Flow, QUESTION, SYNC},
    input::{Expecting, Reply},
};

/// Writes one update after the other, and knows which of them the terminal has shown.
pub struct Writer {
    updates: sync::SyncSender<Vec<u8>>,
    done: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// A buffer to draw into, of an update that was written.
    spare: Option<Vec<u8>>,
    flow: Flow,
    /// Whether [`SYNC`] is to be asked with the next update.
    sync: bool,
    start: Instant,
    expecting: Expecting,
    has_answered: bool,
}

impl Writer {
    /// Starts the thread.
    #[expect(clippy::disallowed_methods, reason = "the clock of the answers starts here")]
    pub fn new(mut terminal: impl Write + Send + 'static) -> io::Result<Self> {
        let (updates, inbox) = sync::sync_channel::<Vec<u8>>(4);
        let (outbox, done) = mpsc::channel(4);
        thread::Builder::new().name("terminal".into()).spawn(move || {
            for update in inbox {
                let result = terminal.write_all(&update).and_then(|()| terminal.flush());
                if outbox.blocking_send(result.map(|()| update)).is_err() {
                    return;
                }
            }
        })?;
        let (spare, flow, start) = (Some(Vec::new()), Flow::default(), Instant::now());
        let expecting = Expecting::default();
        let has_answered = false;
        Ok(Self { updates, done, spare, flow, sync: false, start, expecting, has_answered })
    }

    /// Whether answers are on their way, as the reader of the terminal sees it.
    pub fn expecting(&self) -> Expecting {
        self.expecting.clone()
    }

    /// An empty buffer, unless enough is under way.
    pub fn buffer(&mut self) -> Option<Vec<u8>> {
        self.flow.has_room().then(|| self.spare.take().unwrap_or_default())
    }

    /// Sends off what was drawn into the buffer, with so many pictures in it. Returns how many were
    /// shown by that: all, when nothing had to be drawn.
    pub fn write(&mut self, mut update: Vec<u8>, pictures: u64) -> u64 {
        if update.is_empty() {
            self.spare = Some(update);
            return pictures;
        }
        if std::mem::take(&mut self.sync) {
            update.extend_from_slice(SYNC);
            self.flow.syncing();
        }
        if self.flow.sent(pictures) {
            update.extend_from_slice(QUESTION);
        }
        self.expecting.set(self.flow.is_asking());
        // The thread has room for more than may be under way; one that is gone has said why.
        let _ = self.updates.try_send(update);
        0
    }

    /// Sends what is no update: questions, of which the last is answered by every terminal.
    pub fn ask(&mut self, questions: &[u8]) {
        debug_assert!(questions.ends_with(SYNC), "or it is never known that all are answered");
        self.flow.sent(0);
        self.flow.syncing();
        self.expecting.set(true);
        let _ = self.updates.try_send(questions.to_vec());
    }

    /// The terminal answered. Returns how many pictures were shown by that.
    pub fn reply(&mut self, reply: &Reply) -> u64 {
        let shown = match reply {
            Reply::Ready => self.flow.ready(),
            Reply::Attributes { .. } => {
                self.flow.synced();
                0
            }
            _ => 0,
        };
        self.has_answered = true;
        self.expecting.set(self.flow.is_asking());
        shown
    }

    /// Whether the terminal ever answered anything.
    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether the terminal is yet to answer something.
    pub fn is_asking(&self) -> bool {
        self.flow.is_asking()
    }

    /// Waits for news of the updates under way; an error is the end of the terminal. Returns how many
    /// pictures were shown by it.
    ///
    /// Cancel safe.
    pub async fn progress(&mut self) -> io::Result<u64> {
        let late = self.flow.deadline().map(|deadline| self.start + deadline);
        tokio::select! {
            written = self.done.recv() => {
                let mut buffer = written.ok_or(io::ErrorKind::BrokenPipe)??;
                buffer.clear();
                self.spare = Some(buffer);
                Ok(self.flow.written(self.start.elapsed()))
            }
            () = async { sleep_until(late.expect("guarded")).await }, if late.is_some() => {
                self.sync = true;
                Ok(self.flow.give_up())
            }
        }
    }

    /// The terminal was given to others meanwhile: what was under way is lost.
    pub fn restart(&mut self) {
        self.sync = true;
        self.flow.restart();
    }
}
