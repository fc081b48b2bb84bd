//! Settings that the user changes while sound runs, and levels for meters: read and written from any
//! thread.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed};

/// The loudest that the partner can be made, in percent.
pub const MAX_VOLUME: u32 = 200;

/// Mute, deafen and volume; a change takes effect with the next block of 10 ms.
#[derive(Debug)]
pub struct Controls {
    is_muted: AtomicBool,
    is_deafened: AtomicBool,
    volume: AtomicU32,
}

impl Default for Controls {
    fn default() -> Self {
        let (is_muted, is_deafened) = Default::default();
        Self { is_muted, is_deafened, volume: AtomicU32::new(100) }
    }
}

impl Controls {
    /// Whether the partner hears silence instead of the microphone.
    pub fn is_muted(&self) -> bool {
        self.is_muted.load(Relaxed)
    }

    pub(super) fn set_muted(&self, is_muted: bool) {
        self.is_muted.store(is_muted, Relaxed);
    }

    /// Whether the partner's sound is not played.
    pub fn is_deafened(&self) -> bool {
        self.is_deafened.load(Relaxed)
    }

    /// Plays the partner's sound, or does not.
    pub fn set_deafened(&self, is_deafened: bool) {
        self.is_deafened.store(is_deafened, Relaxed);
    }

    /// Loudness of the partner in percent, 0 to [`MAX_VOLUME`]; 100 is as it was sent.
    pub fn volume(&self) -> u32 {
        self.volume.load(Relaxed)
    }

    /// Sets the loudness of the partner in percent; [`MAX_VOLUME`] at most.
    pub fn set_volume(&self, percent: u32) {
        self.volume.store(percent.min(MAX_VOLUME), Relaxed);
    }

    /// The factor for samples to be played.
    pub(super) fn gain(&self) -> f32 {
        if self.is_deafened() { 0.0 } else { self.volume() as f32 / 100.0 }
    }
}

/// Levels for meters.
#[derive(Debug)]
pub struct Levels {
    input: AtomicI32,
    output: AtomicI32,
    lacks_input: AtomicBool,
}

impl Default for Levels {
    fn default() -> Self {
        let quiet = || AtomicI32::new(super::level::QUIETEST as i32);
        Self { input: quiet(), output: quiet(), lacks_input: AtomicBool::new(false) }
    }
}

impl Levels {
    /// Level of the microphone in dBFS, -100 to 0, also while it is muted; `None` while there is none.
    pub fn input(&self) -> Option<i32> {
        (!self.lacks_input()).then(|| self.input.load(Relaxed))
    }

    /// Whether there is no microphone, as far as is known.
    pub(super) fn lacks_input(&self) -> bool {
        self.lacks_input.load(Relaxed)
    }

    /// Level of the sound that is played in dBFS, -100 to 0.
    pub fn output(&self) -> i32 {
        self.output.load(Relaxed)
    }

    pub(super) fn set_input(&self, dbfs: f32) {
        self.input.store(dbfs.round() as i32, Relaxed);
    }

    pub(super) fn set_lacks_input(&self, lacks_input: bool) {
        self.lacks_input.store(lacks_input, Relaxed);
    }

    pub(super) fn set_output(&self, dbfs: f32) {
        self.output.store(dbfs.round() as i32, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loudness_is_bounded_and_deafness_is_silence() {
        let controls = Controls::default();
        assert_eq!(controls.gain(), 1.0);
        controls.set_volume(u32::MAX);
        assert_eq!(controls.gain(), 2.0);
        controls.set_deafened(true);
        assert_eq!(controls.gain(), 0.0);
    }
}
