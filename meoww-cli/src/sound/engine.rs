//! The sound thread: one for the client, which lives over many rooms.
//!
//! Every 10 ms, and whenever a device has worked, it gives the sink the blocks that are due, and takes
//! from the source those that are.
//! With the next room, all that the last one received is gone.

mod room;

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Instant,
};

use tokio::sync::mpsc;

use self::room::Room;
use super::{
    Block, SILENCE,
    handle::{Shared, SoundEvent},
    level::{Meter, TalkDetector},
    limiter::{self, Limiter},
    pace::{BLOCK_TIME, MAX_BEHIND},
    process::Processor,
    reference::Reference,
    sink::Sink,
    source::Source,
};
use crate::clock;

/// State that the sound thread owns.
pub(super) struct Engine {
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
    pub(super) fn new(
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

    pub(super) fn run(mut self) {
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
        self.reference.missed(self.sink.missed());
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
            room.play(now, self.sink.delay(), &mut block);
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
