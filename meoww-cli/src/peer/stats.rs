//! Counts of one connection, and the second by second view of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    core::event::{SoundStats, Stats},
    sound::room::{Figures, RoomFigures},
};

/// Counted where it happens, by the media threads and the session.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) frames_sent: AtomicU64,
    pub(super) frames_decoded: AtomicU64,
    pub(super) frames_lost: AtomicU64,
    pub(super) keyframes_requested: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    /// Packets of sound that are too long, or more than can be taken.
    pub(super) sound_packets_dropped: AtomicU64,
    pub(super) width: AtomicU32,
    pub(super) height: AtomicU32,
    /// Microseconds; 0 before the first measurement.
    pub(super) rtt: AtomicU64,
    pub(super) relayed: AtomicBool,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Turns counts into rates.
pub(super) struct Meter {
    tally: Arc<Tally>,
    drawn: Arc<AtomicU64>,
    sound: Arc<RoomFigures>,
    last: Reading,
}

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    sent: u64,
    decoded: u64,
    drawn: u64,
    bytes_out: u64,
    bytes_in: u64,
    sound: Figures,
}

impl Meter {
    pub(super) fn new(
        tally: Arc<Tally>,
        drawn: Arc<AtomicU64>,
        sound: Arc<RoomFigures>,
        now: Instant,
    ) -> Self {
        let last = read(&tally, &drawn, &sound, now);
        Self { tally, drawn, sound, last }
    }

    /// Rates are over the time since the last reading.
    pub(super) fn stats(&mut self, now: Instant) -> Stats {
        let reading = read(&self.tally, &self.drawn, &self.sound, now);
        let last = std::mem::replace(&mut self.last, reading);
        let seconds = now.saturating_duration_since(last.at).as_secs_f32().max(0.001);
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f32 / seconds;
        let kbps = |new, old| rate(new, old) * 8.0 / 1000.0;
        let rtt = self.tally.rtt.load(Relaxed);
        let sound = reading.sound;
        Stats {
            fps_out: rate(reading.sent, last.sent),
            fps_in: rate(reading.decoded, last.decoded),
            fps_drawn: rate(reading.drawn, last.drawn),
            kbps_out: kbps(reading.bytes_out, last.bytes_out),
            kbps_in: kbps(reading.bytes_in, last.bytes_in),
            rtt_ms: (rtt > 0).then_some(rtt as f32 / 1000.0),
            relayed: self.tally.relayed.load(Relaxed),
            width: self.tally.width.load(Relaxed),
            height: self.tally.height.load(Relaxed),
            frames_sent: reading.sent,
            frames_decoded: reading.decoded,
            frames_drawn: reading.drawn,
            frames_lost: self.tally.frames_lost.load(Relaxed),
            keyframes_requested: self.tally.keyframes_requested.load(Relaxed),
            sound: SoundStats {
                kbps_out: kbps(sound.sent_bytes, last.sound.sent_bytes),
                kbps_in: kbps(sound.received_bytes, last.sound.received_bytes),
                target_ms: sound.target_ms,
                delay_ms: sound.delay_ms,
                concealed_ms: sound.concealed_ms,
                packets_received: sound.received,
                packets_lost: sound.lost,
                packets_late: sound.late,
                packets_dropped: self.tally.sound_packets_dropped.load(Relaxed),
                ..SoundStats::default()
            },
        }
    }
}

fn read(tally: &Tally, drawn: &AtomicU64, sound: &RoomFigures, at: Instant) -> Reading {
    Reading {
        sound: sound.now(),
        at,
        sent: tally.frames_sent.load(Relaxed),
        decoded: tally.frames_decoded.load(Relaxed),
        drawn: drawn.load(Relaxed),
        bytes_out: tally.bytes_out.load(Relaxed),
        bytes_in: tally.bytes_in.load(Relaxed),
    }
}
