//! Counts and levels of the sound in one room: written by the sound thread, read by any.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::jitter::Counts;

/// One room's figures so far.
#[derive(Debug, Default)]
pub struct RoomFigures {
    concealed_ms: AtomicU64,
    target_ms: AtomicU64,
    delay_ms: AtomicU64,
    received: AtomicU64,
    lost: AtomicU64,
    late: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

/// One moment of [`RoomFigures`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Milliseconds of the partner's sound that were made up, because packets were lost or late.
    pub concealed_ms: u64,
    /// Milliseconds that the partner's packets should wait to be played, by the jitter of late.
    pub target_ms: u64,
    /// Milliseconds that they do.
    pub delay_ms: u64,
    /// Packets of the partner that came.
    pub received: u64,
    /// Packets of the partner that did not come.
    pub lost: u64,
    /// Packets of the partner that came too late to be played.
    pub late: u64,
    /// Frames that were sent.
    pub sent: u64,
    /// Bytes of Opus in them.
    pub sent_bytes: u64,
    /// Bytes of Opus that came.
    pub received_bytes: u64,
}

/// Figures of the playout so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PlayoutFigures {
    /// Packets.
    pub(crate) counts: Counts,
    /// Samples made up because packets were lost or late.
    pub(crate) concealed: u64,
    /// Seconds that packets should wait, and do.
    pub(crate) target: f64,
    pub(crate) delay: f64,
    /// See [`super::jitter::JitterBuffer::drift_ppm`].
    pub(crate) drift_ppm: f64,
}

impl RoomFigures {
    /// The figures of this moment.
    pub fn now(&self) -> Figures {
        Figures {
            concealed_ms: self.concealed_ms.load(Relaxed),
            target_ms: self.target_ms.load(Relaxed),
            delay_ms: self.delay_ms.load(Relaxed),
            received: self.received.load(Relaxed),
            lost: self.lost.load(Relaxed),
            late: self.late.load(Relaxed),
            sent: self.sent.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
        }
    }

    pub(super) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(1, Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn add_received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn set_played(&self, figures: &PlayoutFigures) {
        let millis = |seconds: f64| (seconds.max(0.0) * 1000.0).round() as u64;
        self.concealed_ms.store(figures.concealed / 48, Relaxed);
        self.target_ms.store(millis(figures.target), Relaxed);
        self.delay_ms.store(millis(figures.delay), Relaxed);
        self.received.store(figures.counts.received, Relaxed);
        self.lost.store(figures.counts.lost, Relaxed);
        self.late.store(figures.counts.late, Relaxed);
    }
}
