//! The sound thread: one for the client, which lives over many rooms.
//!
//! Every 10 ms, and whenever a device has worked, it gives the sink the blocks that are due, and takes
//! from the source those that are.
//! With the next room, all that the last one received is gone.

mod room;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
    time::Instant,
};

use tokio::sync::{mpsc, watch};

use self::room::Room;
use super::{
    AudioIn, AudioOut, Block, Controls, Levels, SILENCE, SoundError,
    level::{Meter, TalkDetector},
    limiter::{self, Limiter},
    pace::{BLOCK_TIME, MAX_BEHIND},
    process::Processor,
    reference::Reference,
    room::{self as border, RoomEnd, RoomSound},
    sink::Sink,
    source::Source,
};
use crate::clock;

/// Events that wait to be read. Newer ones are dropped: the user has enough to read.
const MAX_EVENTS: usize = 16;

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
struct Shared {
    controls: Controls,
    levels: Levels,
    /// The room that begins next.
    next_room: Mutex<Option<RoomEnd>>,
    is_over: AtomicBool,
    /// Whether the partner can hear anything of this side.
    on: watch::Sender<bool>,
}

impl Shared {
    /// To be called after a change of what it depends on.
    fn update_on(&self) {
        self.on.send_if_modified(|was| {
            let on = !self.controls.is_muted() && !self.levels.lacks_input();
            std::mem::replace(was, on) != on
        });
    }
}

impl Sound {
    /// Opens source and sink. Reads a sound file whole, so not on an async thread. Also returns what
    /// the user should know from then on.
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
        let (sound, end) = border::pair();
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

/// State that the sound thread owns.
struct Engine {
    shared: Arc<Shared>,
    source: Source,
    sink: Sink,
    events: mpsc::Sender<SoundEvent>,
    room: Option<Room>,
    input: Meter,
    output: Meter,
    talk: TalkDetector,
    limiter: Limiter,
    /// Cleans the microphone, if there is one, of what is played.
    processor: Option<Processor>,
    reference: Reference,
    /// The last notice of a device.
    notice: Option<String>,
    /// The gain of the last block that was played.
    gain: f32,
}

impl Engine {
    fn new(
        shared: Arc<Shared>,
        source: Source,
        sink: Sink,
        events: mpsc::Sender<SoundEvent>,
    ) -> Self {
        Self {
            processor: matches!(source, Source::Microphone(_)).then(Processor::default),
            reference: Reference::default(),
            notice: None,
            shared,
            source,
            sink,
            events,
            room: None,
            input: Meter::default(),
            output: Meter::default(),
            talk: TalkDetector::default(),
            limiter: Limiter::default(),
            gain: 1.0,
        }
    }

    fn run(mut self) {
        let mut due = clock::now();
        while !self.shared.is_over.load(Relaxed) {
            let now = clock::now();
            if now < due {
                std::thread::park_timeout(due.saturating_duration_since(now));
                self.exchange(clock::now().min(due));
                continue;
            }
            // A block is played for the moment at which it was due, however late the thread wakes;
            // after a pause (a suspended machine) time goes on from now.
            if now.saturating_duration_since(due) > MAX_BEHIND {
                due = now;
            }
            self.tick(due);
            due += BLOCK_TIME;
        }
    }

    fn tick(&mut self, now: Instant) {
        self.change_room(now);
        self.exchange(now);
    }

    fn exchange(&mut self, now: Instant) {
        let is_wanted = self.room.as_ref().is_some_and(Room::is_live);
        let notices = [self.sink.poll(now), self.source.poll(now, is_wanted)];
        self.look_for_input();
        for notice in notices.into_iter().flatten() {
            // Where there is no sound system, both say so.
            if self.notice.as_ref() != Some(&notice) {
                self.tell(SoundEvent::Notice(notice.clone()));
                self.notice = Some(notice);
            }
        }
        while self.sink.is_due(now) {
            self.play(now);
        }
        let mut block = SILENCE;
        while self.source.take(now, &mut block) {
            self.capture(now, &mut block);
        }
    }

    fn look_for_input(&self) {
        let is_microphone = self.processor.is_some();
        let lacks = self.source.is_missing() || is_microphone && self.sink.lacks_system();
        if self.shared.levels.lacks_input() != lacks {
            self.shared.levels.set_lacks_input(lacks);
            self.shared.update_on();
        }
    }

    fn change_room(&mut self, now: Instant) {
        let next = self.shared.next_room.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(end) = next {
            self.room = None;
            match Room::begin(end, now) {
                Ok(room) => self.room = Some(room),
                Err(error) => self.tell(SoundEvent::Notice(error.to_string())),
            }
        }
        if self.room.as_mut().is_some_and(|room| !room.receive()) {
            self.room = None;
        }
    }

    fn play(&mut self, now: Instant) {
        let mut block = SILENCE;
        if let Some(room) = &mut self.room {
            room.play(now, &mut block);
        }
        self.turn(&mut block);
        self.limiter.process(&mut block);
        self.shared.levels.set_output(self.output.update(&block));
        if self.processor.is_some() && self.sink.is_audible() {
            self.reference.played(&block);
        }
        if let Err(error) = self.sink.put(&block) {
            self.tell(SoundEvent::Notice(error.to_string()));
        }
    }

    /// Applies the volume; a change takes a block, so that it does not click.
    fn turn(&mut self, block: &mut Block) {
        let before = std::mem::replace(&mut self.gain, self.shared.controls.gain());
        let step = (self.gain - before) / block.len() as f32;
        for (at, sample) in block.iter_mut().enumerate() {
            *sample *= before + step * (at + 1) as f32;
        }
    }

    fn capture(&mut self, now: Instant, block: &mut Block) {
        limiter::clean(block);
        if let Some(processor) = &mut self.processor {
            processor.process(block, &self.reference.next());
        }
        self.shared.levels.set_input(self.input.update(block));
        let is_muted = self.shared.controls.is_muted();
        if self.talk.update(block, is_muted) {
            self.tell(SoundEvent::MutedButTalking);
        }
        if let Some(room) = &mut self.room {
            room.capture(now, block, is_muted);
        }
    }

    fn tell(&self, event: SoundEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::debug!(%error, "an event of sound was not read");
        }
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
