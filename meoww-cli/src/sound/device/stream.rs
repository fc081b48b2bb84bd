//! One open device. It is opened, held and closed on a thread of its own, as a driver may block in each
//! of these.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{Builder, Thread},
    time::Duration,
};

use super::{
    DeviceError, Kind,
    host::{self, Held},
};

/// Errors in a row that a device may have.
const MAX_ERRORS: usize = 50;
/// The longest delay of a device that is believed: that of slow wireless headphones.
const MAX_DELAY: Duration = Duration::from_millis(500);
/// How often it is looked whether a device is still there.
const CHECK: Duration = Duration::from_secs(1);

/// Our end of the ring to a device: mono samples at its rate, 200 ms of them at most. More is not waited
/// for in a conversation.
pub(super) enum Ring {
    /// Samples that a microphone recorded.
    Recorded(rtrb::Consumer<f32>),
    /// Samples for a speaker to play.
    ToPlay(rtrb::Producer<f32>),
}

/// Counts that the callbacks of a device keep.
#[derive(Debug, Default)]
pub(super) struct Counters {
    frames: AtomicU64,
    largest: AtomicUsize,
    gaps: AtomicUsize,
    missing: AtomicU64,
    /// In microseconds.
    delay: AtomicU64,
    errors: AtomicUsize,
    has_failed: AtomicBool,
}

impl Counters {
    /// The device gave or took so many frames.
    pub(super) fn add(&self, frames: usize) {
        self.frames.fetch_add(frames as u64, Relaxed);
        self.largest.fetch_max(frames, Relaxed);
        self.errors.store(0, Relaxed);
    }

    /// The device wanted so many frames more than there were.
    pub(super) fn add_gap(&self, missing: usize) {
        self.gaps.fetch_add(1, Relaxed);
        self.missing.fetch_add(missing as u64, Relaxed);
    }

    /// The device plays what it takes so long after it takes it.
    pub(super) fn set_delay(&self, delay: Duration) {
        self.delay.store(delay.min(MAX_DELAY).as_micros() as u64, Relaxed);
    }

    /// The device is over.
    pub(super) fn fail(&self) {
        self.has_failed.store(true, Relaxed);
    }

    /// Something went wrong; after [`MAX_ERRORS`] with nothing between them, the device is over.
    pub(super) fn add_error(&self) {
        if self.errors.fetch_add(1, Relaxed) >= MAX_ERRORS {
            self.fail();
        }
    }
}

/// An open device; it closes when this is dropped.
pub(super) struct Stream {
    /// Its name.
    pub(super) name: String,
    /// Samples a second.
    pub(super) rate: u32,
    /// Our end.
    pub(super) ring: Ring,
    counters: Arc<Counters>,
    /// The thread that holds it waits for the end of this.
    open: Option<SyncSender<Infallible>>,
}

impl Stream {
    pub(super) fn new(name: String, rate: u32, ring: Ring, counters: Arc<Counters>) -> Self {
        Self { name, rate, ring, counters, open: None }
    }

    /// Begins to open the device of that name, or the default one. `reader` is woken when it has worked.
    pub(super) fn open(
        kind: Kind,
        wanted: Option<String>,
        reader: Thread,
    ) -> Receiver<Result<Self, DeviceError>> {
        let (opened, outcome) = sync_channel(1);
        let run = move || match host::start(kind, wanted.as_deref(), reader) {
            Ok((held, mut stream)) => {
                let (open, closed) = sync_channel(0);
                let counters = stream.counters.clone();
                stream.open = Some(open);
                // If the receiver is gone, the device closes at once.
                if opened.send(Ok(stream)).is_ok() {
                    hold(&held, &counters, &closed);
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        if let Err(error) = Builder::new().name(format!("meoww-{kind}")).spawn(run) {
            // The receiver sees that there is no thread.
            tracing::warn!(%error, "no thread for a device");
        }
        outcome
    }

    /// Frames that it has recorded or played.
    pub(super) fn frames(&self) -> u64 {
        self.counters.frames.load(Relaxed)
    }

    /// The most frames that it gave or took at once.
    pub(super) fn portion(&self) -> usize {
        self.counters.largest.load(Relaxed)
    }

    /// How often a speaker wanted more than there was.
    pub(super) fn gaps(&self) -> usize {
        self.counters.gaps.load(Relaxed)
    }

    /// Frames that a speaker wanted and that were not there: it played nothing for so long.
    pub(super) fn missing(&self) -> u64 {
        self.counters.missing.load(Relaxed)
    }

    /// From the moment a speaker takes frames until it plays the first of them, as far as it says.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_micros(self.counters.delay.load(Relaxed))
    }

    /// Whether the system said that it is over.
    pub(super) fn has_failed(&self) -> bool {
        self.counters.has_failed.load(Relaxed)
    }
}

/// Returns when the stream is dropped.
fn hold(held: &Held, counters: &Counters, closed: &Receiver<Infallible>) {
    while closed.recv_timeout(CHECK) == Err(RecvTimeoutError::Timeout) {
        if !held.is_there() {
            counters.fail();
        }
    }
}
