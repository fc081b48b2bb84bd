//! Sound: from a microphone to the partner, and from the partner to a speaker.
//!
//! Every stage takes blocks and gives blocks, is synchronous, and can be fed from a file.

mod capture;
mod clock;
mod codec;
mod controls;
mod delay;
pub mod device;
mod echo;
mod engine;
mod error;
mod figures;
mod handle;
mod jitter;
mod level;
pub(crate) mod limiter;
#[cfg(test)]
mod ogg;
mod options;
mod pace;
pub(crate) mod playout;
pub mod process;
mod reference;
mod regulator;
pub mod resample;
pub mod room;
mod sink;
mod source;
#[cfg(test)]
mod speech_tests;
mod stretch;
#[cfg(test)]
mod testing;

pub use self::{
    controls::{Controls, Levels, MAX_VOLUME},
    error::SoundError,
    handle::{Sound, SoundConfig, SoundEvent},
    options::{AudioIn, AudioOut},
};

/// Samples a second. Everything between the devices is mono, in `-1.0..=1.0`.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples in one block: 10 ms.
pub const BLOCK_SAMPLES: usize = 480;
/// 10 ms of sound.
pub type Block = [f32; BLOCK_SAMPLES];

/// A block without sound.
pub(crate) const SILENCE: Block = [0.0; BLOCK_SAMPLES];
