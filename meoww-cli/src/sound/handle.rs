//! Sound as the rest of the client holds it: opens source and sink, and starts the sound thread.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
};

use tokio::sync::{mpsc, watch};

use super::{
    AudioIn, AudioOut, Controls, Levels, SoundError,
    engine::Engine,
    room::{self, RoomEnd, RoomSound},
    sink::Sink,
    source::Source,
};

/// Events that wait to be read. Newer ones are dropped: the user has enough to read.
pub(super) const MAX_EVENTS: usize = 16;

/// The source of one's own sound, and the sink for the partner's.
#[derive(Debug, Clone, Default)]
pub struct SoundConfig {
    /// Where one's own sound comes from.
    pub input: AudioIn,
    /// Where the partner's sound goes.
    pub output: AudioOut,
    /// Whether the microphone is muted to begin with.
    pub is_muted: bool,
}

/// News for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SoundEvent {
    /// Something changed, in one line.
    Notice(String),
    /// The user talks, and is muted.
    MutedButTalking,
}

/// The sound of this program, until it is dropped.
#[derive(Debug)]
pub struct Sound {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// State that the sound thread shares with the others.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) controls: Controls,
    pub(super) levels: Levels,
    /// The room that begins next.
    pub(super) next_room: Mutex<Option<RoomEnd>>,
    pub(super) is_over: AtomicBool,
    /// Whether the partner can hear anything of this side.
    on: watch::Sender<bool>,
}

impl Shared {
    /// To be called after the microphone is muted or unmuted, or comes or goes.
    pub(super) fn update_on(&self) {
        self.on.send_if_modified(|was| {
            let on = !self.controls.is_muted() && !self.levels.lacks_input();
            std::mem::replace(was, on) != on
        });
    }
}

impl Sound {
    /// Opens source and sink. Reads a sound file whole, so not on an async thread. Also returns the
    /// events for the user from then on.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written, there is no device of that name, or the system has no thread
    /// left.
    pub fn open(config: &SoundConfig) -> Result<(Self, mpsc::Receiver<SoundEvent>), SoundError> {
        let (source, sink) = (Source::open(&config.input)?, Sink::open(&config.output)?);
        let (events, told) = mpsc::channel(MAX_EVENTS);
        let shared = Arc::new(Shared::default());
        shared.controls.set_muted(config.is_muted);
        shared.levels.set_lacks_input(source.is_missing());
        shared.update_on();
        let engine = Engine::new(shared.clone(), source, sink, events);
        let thread = Builder::new()
            .name("meoww-sound".to_owned())
            .spawn(|| engine.run())
            .map_err(|error| SoundError::NoThread(error.to_string()))?;
        Ok((Self { shared, thread: Some(thread) }, told))
    }

    /// Begins the sound of a new room; that of the last one ends at once.
    pub fn room(&self) -> RoomSound {
        let (sound, end) = room::pair();
        *self.shared.next_room.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        sound
    }

    /// Lets the partner hear the microphone or not. Push-to-talk is this, too.
    pub fn set_muted(&self, is_muted: bool) {
        self.shared.controls.set_muted(is_muted);
        self.shared.update_on();
    }

    /// Whether the partner can hear anything of this side in a call: the microphone is not muted, and
    /// there is one, as far as is known.
    pub fn on(&self) -> watch::Receiver<bool> {
        self.shared.on.subscribe()
    }

    /// Mute, deafen and volume.
    pub fn controls(&self) -> &Controls {
        &self.shared.controls
    }

    /// Levels for meters.
    pub fn levels(&self) -> &Levels {
        &self.shared.levels
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Panicked or not, it is over.
            let _ = thread.join();
        }
    }
}
