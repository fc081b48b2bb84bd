//! One room, as the sound thread sees it.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;

use crate::sound::{
    Block, SoundError,
    capture::{Capture, Gate},
    playout::Playout,
    room::{Received, RoomEnd},
};

/// Both halves, and where they meet the connection.
pub(super) struct Room {
    end: RoomEnd,
    playout: Playout,
    capture: Capture,
    gate: Gate,
    /// Whether the microphone was ever on here.
    was_live: bool,
}

impl Room {
    /// # Errors
    ///
    /// When there is no memory for the codec.
    pub(super) fn begin(end: RoomEnd, now: Instant) -> Result<Self, SoundError> {
        let (playout, capture) = (Playout::new(now)?, Capture::new()?);
        Ok(Self { end, playout, capture, gate: Gate::default(), was_live: false })
    }

    /// Whether the microphone is on here, unless it is muted.
    pub(super) fn is_live(&self) -> bool {
        *self.end.is_live.borrow()
    }

    /// Takes the packets that the connection received since the last time; `false` when the room is over.
    pub(super) fn receive(&mut self) -> bool {
        loop {
            match self.end.incoming.try_recv() {
                Ok(received) => {
                    if let Received::Packet(packet) = &received {
                        self.end.figures.add_received(packet.payload.len());
                    }
                    self.playout.receive(received);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Fills a block of the partner's sound, which is heard `delay` later.
    pub(super) fn play(&mut self, now: Instant, delay: Duration, block: &mut Block) {
        self.playout.wait_at_least(*self.end.wait_at_least.borrow());
        let playing = self.playout.playing(now + delay);
        self.playout.play(now, block);
        self.end.figures.set_played(&self.playout.figures());
        self.end.playing.send_if_modified(|last| std::mem::replace(last, playing) != playing);
    }

    /// Sends a block of one's own sound that ends `now`, or silence.
    pub(super) fn capture(&mut self, now: Instant, block: &mut Block, is_muted: bool) {
        let is_live = self.is_live();
        self.was_live |= is_live;
        self.gate.pass(block, is_live && !is_muted);
        if !self.was_live {
            return;
        }
        self.capture.adapt(*self.end.bitrate.borrow(), *self.end.loss_percent.borrow());
        let Some(frame) = self.capture.push(now, block) else { return };
        let bytes = frame.payload.len();
        // Full: the connection does not move, and old sound would be of no use to it.
        if self.end.outgoing.try_send(frame).is_ok() {
            self.end.figures.add_sent(bytes);
        }
    }
}
