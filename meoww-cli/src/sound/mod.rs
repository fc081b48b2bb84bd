//! Sound: from a microphone to the partner, and from the partner to a speaker.
//!
//! Every stage takes blocks and gives blocks, is synchronous, and can be fed from a file.

pub mod process;
pub mod resample;
pub mod room;

/// Samples a second. Everything between the devices is mono, in `-1.0..=1.0`.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples in one block: 10 ms.
pub const BLOCK_SAMPLES: usize = 480;
/// 10 ms of sound.
pub type Block = [f32; BLOCK_SAMPLES];
