//! The way to the terminal. It may be slow, or stop: so a thread writes, few bytes are under way at
//! once, and whatever comes meanwhile is drawn into the next update.
//!
//! A large update goes in pieces, between which something small (what one types) is put: it waits for
//! no picture.

use std::{
    io::{self, Write},
    sync::mpsc as sync,
    thread,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    flow::{Flow, MAX_PIECES, QUESTION, SYNC},
    input::{Expecting, Reply},
    slices::cut,
    update::make_whole,
};

/// Keeps and restores the cursor and its colours (DECSC, DECRC).
const KEEP: &[u8] = b"\x1b7";
const RESTORE: &[u8] = b"\x1b8";
/// Beside pieces, questions are under way.
const QUEUE: usize = MAX_PIECES + 8;

/// Writes one update after the other, and knows which of them the terminal has shown.
pub struct Writer {
    pieces: sync::SyncSender<Vec<u8>>,
    done: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// Buffers of pieces that were written.
    spare: Vec<Vec<u8>>,
    flow: Flow,
    /// The update that is being sent, and how much of it was.
    update: Vec<u8>,
    sent: usize,
    /// How many of its first bytes draw cells outside of pictures.
    cells: usize,
    /// How many pictures it has.
    pictures: u64,
    /// Whether [`SYNC`] is to be asked with the next piece.
    sync: bool,
    /// Whether the terminal shows a piece when it is whole.
    is_synchronized: bool,
    start: Instant,
    expecting: Expecting,
    has_answered: bool,
}

impl Writer {
    /// Starts the thread.
    #[expect(clippy::disallowed_methods, reason = "the clock of the answers starts here")]
    pub fn new(mut terminal: impl Write + Send + 'static) -> io::Result<Self> {
        let (pieces, inbox) = sync::sync_channel::<Vec<u8>>(QUEUE);
        let (outbox, done) = mpsc::channel(QUEUE);
        thread::Builder::new().name("terminal".into()).spawn(move || {
            for piece in inbox {
                let result = terminal.write_all(&piece).and_then(|()| terminal.flush());
                if outbox.blocking_send(result.map(|()| piece)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            pieces,
            done,
            spare: Vec::new(),
            flow: Flow::default(),
            update: Vec::new(),
            sent: 0,
            cells: 0,
            pictures: 0,
            sync: false,
            is_synchronized: false,
            start: Instant::now(),
            expecting: Expecting::default(),
            has_answered: false,
        })
    }

    /// Whether answers are on their way, as the reader of the terminal sees it.
    pub fn expecting(&self) -> Expecting {
        self.expecting.clone()
    }

    /// Sets whether the terminal shows an update when it is whole (private mode 2026).
    pub fn set_synchronized(&mut self, is_synchronized: bool) {
        self.is_synchronized = is_synchronized;
    }

    /// An empty buffer, unless enough is under way.
    pub fn buffer(&mut self) -> Option<Vec<u8>> {
        let is_free = !self.is_amid_update() && self.flow.may_begin(self.now());
        is_free.then(|| self.empty())
    }

    /// An empty buffer for something small, although an update is not sent whole. `None` also until
    /// the cells of that update are sent: they are older, and would be drawn over what is newer.
    pub fn small_buffer(&mut self) -> Option<Vec<u8>> {
        let is_free = self.sent >= self.cells && self.flow.has_place();
        is_free.then(|| self.empty())
    }

    /// Whether a part of an update is still to be sent.
    pub fn is_amid_update(&self) -> bool {
        self.sent < self.update.len()
    }

    /// Bytes that the terminal draws in `time`; `None` where it always drew faster than it was sent.
    pub fn drawn_in(&self, time: Duration) -> Option<usize> {
        self.flow.rate().map(|rate| (rate * time.as_secs_f64()) as usize)
    }

    /// Sends off what was drawn into the buffer: `cells` bytes for cells outside of pictures, then so
    /// many pictures. Returns how many of these were shown by that: all, when nothing had to be drawn.
    pub fn write(&mut self, update: Vec<u8>, cells: usize, pictures: u64) -> u64 {
        debug_assert!(!self.is_amid_update(), "the last one would be lost");
        if update.is_empty() {
            self.spare.push(update);
            return pictures;
        }
        self.spare.push(std::mem::replace(&mut self.update, update));
        (self.sent, self.cells, self.pictures) = (0, cells, pictures);
        self.pump();
        0
    }

    /// Sends something small at once, before the rest of an update. It leaves the cursor and its colours
    /// as they were, and draws where no picture is.
    pub fn insert(&mut self, mut small: Vec<u8>) {
        if !small.is_empty() && self.is_amid_update() {
            small.splice(..0, KEEP.iter().copied());
            small.extend_from_slice(RESTORE);
        }
        self.send(small, None);
    }

    /// Sends what is no update: questions, of which the last is answered by every terminal.
    pub fn ask(&mut self, questions: &[u8]) {
        debug_assert!(questions.ends_with(SYNC), "or it is never known that all are answered");
        self.flow.sent(questions.len(), None, self.now());
        self.flow.syncing();
        self.expecting.set(true);
        let _ = self.pieces.try_send(questions.to_vec());
    }

    /// The terminal answered. Returns how many pictures were shown by that.
    pub fn reply(&mut self, reply: &Reply) -> u64 {
        let shown = match reply {
            Reply::Ready => self.flow.ready(self.now()),
            Reply::Attributes { .. } => {
                self.flow.synced();
                0
            }
            _ => 0,
        };
        self.has_answered = true;
        self.pump();
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

    /// Waits for news of the pieces under way; an error is the end of the terminal. Returns how many
    /// pictures were shown by it.
    ///
    /// Cancel safe.
    pub async fn progress(&mut self) -> io::Result<u64> {
        let late = self.flow.deadline().map(|deadline| self.start + deadline);
        let shown = tokio::select! {
            written = self.done.recv() => {
                let mut buffer = written.ok_or(io::ErrorKind::BrokenPipe)??;
                buffer.clear();
                self.spare.push(buffer);
                self.flow.written(self.now())
            }
            () = async { sleep_until(late.expect("guarded")).await }, if late.is_some() => {
                self.sync = true;
                self.flow.give_up()
            }
        };
        self.pump();
        Ok(shown)
    }

    /// The terminal was given to others meanwhile: what was under way is lost.
    pub fn restart(&mut self) {
        self.sync = true;
        self.abandon();
        self.flow.restart();
    }

    /// The rest of the update is not sent: the terminal is about to be given back.
    pub fn abandon(&mut self) {
        self.update.clear();
        (self.sent, self.cells) = (0, 0);
    }

    /// Sends as much of the update as may be under way.
    fn pump(&mut self) {
        while self.is_amid_update() {
            let room = self.flow.room(self.now());
            if room == 0 {
                break;
            }
            let mut piece = self.empty();
            let rest = &self.update[self.sent..];
            let length = cut(rest, room);
            piece.extend_from_slice(&rest[..length]);
            self.sent += length;
            let ends = (!self.is_amid_update()).then_some(self.pictures);
            self.send(piece, ends);
        }
        self.expecting.set(self.flow.is_asking());
    }

    fn send(&mut self, mut piece: Vec<u8>, ends: Option<u64>) {
        if piece.is_empty() {
            self.spare.push(piece);
            return;
        }
        if self.is_synchronized {
            make_whole(&mut piece);
        }
        if std::mem::take(&mut self.sync) {
            piece.extend_from_slice(SYNC);
            self.flow.syncing();
        }
        if self.flow.sent(piece.len(), ends, self.now()) {
            piece.extend_from_slice(QUESTION);
        }
        self.expecting.set(self.flow.is_asking());
        // The thread has room for more than may be under way; one that is gone has said why.
        let _ = self.pieces.try_send(piece);
    }

    fn empty(&mut self) -> Vec<u8> {
        self.spare.pop().map_or_else(Vec::new, |mut buffer| {
            buffer.clear();
            buffer
        })
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A terminal that keeps what it gets.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_small_goes_between_the_pieces_of_what_is_large() {
        const LARGE: usize = 100_000;
        let sink = Sink::default();
        let mut writer = Writer::new(sink.clone()).unwrap();
        writer.reply(&Reply::Attributes { sixel: false });
        assert_eq!(writer.write(vec![b'x'; LARGE], 0, 1), 0);
        assert!(writer.is_amid_update() && writer.buffer().is_none());
        let mut small = writer.small_buffer().unwrap();
        small.extend_from_slice(b"echo");
        writer.insert(small);
        let mut shown = 0;
        while shown == 0 {
            // One piece is written, and one is answered for.
            shown += writer.progress().await.unwrap();
            shown += writer.reply(&Reply::Ready);
        }
        assert!(!writer.is_amid_update() && writer.buffer().is_some());
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let written = written.replace("\x1b[5n", "");
        let at = written.find("\x1b7echo\x1b8").expect("it leaves the cursor as it was");
        assert!((1..20_000).contains(&at), "{at}");
        assert_eq!(written.replace("\x1b7echo\x1b8", ""), "x".repeat(LARGE));
    }

    #[tokio::test]
    async fn what_is_small_waits_for_the_cells_of_what_is_large() {
        const CELLS: usize = 3000;
        let sink = Sink::default();
        let mut writer = Writer::new(sink.clone()).unwrap();
        // How fast it is, is not known yet: little is sent at once.
        writer.reply(&Reply::Attributes { sixel: false });
        writer.write(vec![b'x'; 100_000], CELLS, 1);
        let mut small = loop {
            if let Some(small) = writer.small_buffer() {
                break small;
            }
            writer.progress().await.unwrap();
            writer.reply(&Reply::Ready);
        };
        assert!(writer.is_amid_update(), "it does not wait for pictures");
        small.extend_from_slice(b"echo");
        writer.insert(small);
        while writer.is_amid_update() {
            writer.progress().await.unwrap();
            writer.reply(&Reply::Ready);
        }
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let cells = written.find("\x1b7echo").map(|at| written[..at].matches('x').count());
        assert!(cells >= Some(CELLS), "{cells:?}");
    }
}
