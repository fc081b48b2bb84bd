//! Takes the partner's echo and the room's noise out of the microphone, and brings a voice to an even
//! level: after `EchoCanceller`, noise suppression and gain control (AGC2) of WebRTC, by `sonora`.

use sonora::{
    AudioProcessing, Config, StreamConfig,
    config::{
        AdaptiveDigital, GainController2, MaxProcessingRate, NoiseSuppression,
        NoiseSuppressionLevel, Pipeline,
    },
};

use super::{BLOCK_SAMPLES, Block, SAMPLE_RATE, echo::EchoCanceller};

/// Cleans the blocks of one microphone.
pub struct Processor {
    echo: EchoCanceller,
    stages: AudioProcessing,
}

impl Default for Processor {
    fn default() -> Self {
        let format = StreamConfig::new(SAMPLE_RATE, 1);
        let stages = AudioProcessing::builder().config(config()).capture_config(format).build();
        Self { echo: EchoCanceller::default(), stages }
    }
}

impl Processor {
    /// Cleans `near`, the next block of the microphone. `far` is the block that was given to the
    /// speaker in the same 10 ms.
    pub fn process(&mut self, near: &mut Block, far: &Block) {
        let mut heard = finite(near);
        self.echo.process(&mut heard, &finite(far));
        let mut cleaned = [0.0; BLOCK_SAMPLES];
        let done = self.stages.process_capture_f32(&[&heard], &mut [&mut cleaned]);
        *near = match done {
            Ok(()) => finite(&cleaned),
            // Refused are only formats, and this one is right.
            Err(_) => finite(&heard),
        };
    }
}

/// Samples in range: filters with memory would hold a NaN for ever.
fn finite(block: &Block) -> Block {
    block.map(|sample| if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) })
}

fn config() -> Config {
    Config {
        pipeline: Pipeline {
            maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
            ..Pipeline::default()
        },
        noise_suppression: Some(NoiseSuppression {
            level: NoiseSuppressionLevel::High,
            ..NoiseSuppression::default()
        }),
        gain_controller2: Some(GainController2 {
            adaptive_digital: Some(AdaptiveDigital::default()),
            ..GainController2::default()
        }),
        ..Config::default()
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
