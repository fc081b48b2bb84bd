//! Sample formats of devices, and the two callbacks that a device calls: they convert, copy
//! into or out of a bounded ring, and never wait.

use std::{sync::Arc, thread::Thread};

use cpal::{
    BufferSize, Error, ErrorKind, FromSample, I24, OutputCallbackInfo, OutputStreamTimestamp,
    SampleFormat, SizedSample, Stream, StreamConfig, SupportedBufferSize, SupportedStreamConfig,
    SupportedStreamConfigRange, traits::DeviceTrait,
};

use super::open::PATIENCE;
use crate::sound::{
    device::{Kind, stream::Counters},
    resample::RATES,
};

/// The formats that samples are converted from and to.
const FORMATS: [SampleFormat; 4] =
    [SampleFormat::F32, SampleFormat::I32, SampleFormat::I24, SampleFormat::I16];

/// The format to open a device in: its own, so that the sound system has nothing to convert.
pub(super) fn choose(device: &cpal::Device, kind: Kind) -> Result<SupportedStreamConfig, Error> {
    let default = match kind {
        Kind::Microphone => device.default_input_config(),
        Kind::Speaker => device.default_output_config(),
    };
    match default {
        Ok(config) if is_usable(&config) => return Ok(config),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::UnsupportedConfig => {}
        Err(error) => return Err(error),
    }
    let offered: Vec<SupportedStreamConfigRange> = match kind {
        Kind::Microphone => device.supported_input_configs()?.collect(),
        Kind::Speaker => device.supported_output_configs()?.collect(),
    };
    let offered = offered.into_iter().map(SupportedStreamConfigRange::with_standard_sample_rate);
    let mut usable = offered.filter(is_usable);
    usable.next().ok_or_else(|| Error::new(ErrorKind::UnsupportedConfig))
}

fn is_usable(config: &SupportedStreamConfig) -> bool {
    FORMATS.contains(&config.sample_format())
        && config.channels() > 0
        && RATES.contains(&config.sample_rate())
}

/// With periods of about so many milliseconds, as far as the device has them.
pub(super) fn with_period(config: &SupportedStreamConfig, milliseconds: u32) -> StreamConfig {
    let frames = config.sample_rate() * milliseconds / 1000;
    let buffer_size = match *config.buffer_size() {
        SupportedBufferSize::Range { min, max } => {
            BufferSize::Fixed(frames.clamp(min, max.max(min)))
        }
        SupportedBufferSize::Unknown => BufferSize::Default,
    };
    StreamConfig { buffer_size, ..config.config() }
}

/// The device's end of a ring.
pub(super) struct End<T> {
    /// Mono samples at the device's rate.
    pub(super) ring: T,
    /// Count while the device works.
    pub(super) counters: Arc<Counters>,
    /// Woken after each portion.
    pub(super) reader: Thread,
}

/// Builds a stream that records, as the mean of all channels.
pub(super) fn record(
    device: &cpal::Device,
    format: SampleFormat,
    config: StreamConfig,
    end: End<rtrb::Producer<f32>>,
    on_error: impl FnMut(Error) + Send + 'static,
) -> Result<Stream, Error> {
    match format {
        SampleFormat::F32 => record_as::<f32>(device, config, end, on_error),
        SampleFormat::I32 => record_as::<i32>(device, config, end, on_error),
        SampleFormat::I24 => record_as::<I24>(device, config, end, on_error),
        SampleFormat::I16 => record_as::<i16>(device, config, end, on_error),
        _ => Err(Error::new(ErrorKind::UnsupportedConfig)),
    }
}

fn record_as<T: Recorded>(
    device: &cpal::Device,
    config: StreamConfig,
    mut end: End<rtrb::Producer<f32>>,
    on_error: impl FnMut(Error) + Send + 'static,
) -> Result<Stream, Error> {
    let channels = usize::from(config.channels);
    let copy = move |samples: &[T], _: &_| {
        for frame in samples.chunks_exact(channels) {
            // Full: the sound thread does not run. The newest samples are dropped.
            let _ = end.ring.push(mean(frame));
        }
        end.counters.add(samples.len() / channels);
        end.reader.unpark();
    };
    device.build_input_stream(config, copy, on_error, Some(PATIENCE))
}

/// Builds a stream that plays, on the two front channels alike.
pub(super) fn play(
    device: &cpal::Device,
    format: SampleFormat,
    config: StreamConfig,
    end: End<rtrb::Consumer<f32>>,
    on_error: impl FnMut(Error) + Send + 'static,
) -> Result<Stream, Error> {
    match format {
        SampleFormat::F32 => play_as::<f32>(device, config, end, on_error),
        SampleFormat::I32 => play_as::<i32>(device, config, end, on_error),
        SampleFormat::I24 => play_as::<I24>(device, config, end, on_error),
        SampleFormat::I16 => play_as::<i16>(device, config, end, on_error),
        _ => Err(Error::new(ErrorKind::UnsupportedConfig)),
    }
}

fn play_as<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    mut end: End<rtrb::Consumer<f32>>,
    on_error: impl FnMut(Error) + Send + 'static,
) -> Result<Stream, Error> {
    let channels = usize::from(config.channels);
    let mut last = 0.0;
    let copy = move |samples: &mut [T], info: &OutputCallbackInfo| {
        let mut missing = 0;
        for frame in samples.chunks_exact_mut(channels) {
            last = end.ring.pop().unwrap_or_else(|_| {
                missing += 1;
                // An empty ring fades out, as a sudden end clicks.
                last * 0.99
            });
            spread(last, frame);
        }
        if missing > 0 {
            end.counters.add_gap(missing);
        }
        let OutputStreamTimestamp { callback, playback } = info.timestamp();
        end.counters.set_delay(playback.saturating_duration_since(callback));
        end.counters.add(samples.len() / channels);
        end.reader.unpark();
    };
    device.build_output_stream(config, copy, on_error, Some(PATIENCE))
}

/// A sample as a microphone gives it.
trait Recorded: SizedSample {
    /// As a part of full scale.
    fn level(self) -> f32;
}

impl Recorded for f32 {
    fn level(self) -> f32 {
        self
    }
}

impl Recorded for i32 {
    fn level(self) -> f32 {
        f32::from_sample_(self)
    }
}

impl Recorded for I24 {
    /// PulseAudio gives 24 bits in 32, and the upper ones are not those of the sign.
    fn level(self) -> f32 {
        f32::from_sample_(self.inner() << 8)
    }
}

impl Recorded for i16 {
    fn level(self) -> f32 {
        f32::from_sample_(self)
    }
}

/// The mean of the channels of one frame; silence for NaN and infinity.
fn mean<T: Recorded>(frame: &[T]) -> f32 {
    let sum: f32 = frame.iter().map(|sample| sample.level()).sum();
    let mean = sum / frame.len() as f32;
    if mean.is_finite() { mean.clamp(-1.0, 1.0) } else { 0.0 }
}

/// One sample on the front left and right channel, and silence on the others.
fn spread<T: SizedSample + FromSample<f32>>(sample: f32, frame: &mut [T]) {
    for (channel, place) in frame.iter_mut().enumerate() {
        *place = if channel < 2 { T::from_sample_(sample) } else { T::EQUILIBRIUM };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_means_the_same() {
        assert_eq!(mean(&[16_384_i16]), 0.5);
        assert_eq!(mean(&[-1_073_741_824_i32]), -0.5);
        assert_eq!(mean(&[I24::new(4_194_304).unwrap()]), 0.5);
        assert_eq!(mean(&[I24::new(-4_194_304).unwrap()]), -0.5);
        assert_eq!(mean(&[I24::new_unchecked(0x00c0_0000)]), -0.5, "as PulseAudio gives it");
        assert_eq!(mean(&[0.5_f32]), 0.5);
        let mut frame = [0_i16; 1];
        spread(0.5, &mut frame);
        assert_eq!(frame, [16_384]);
        let mut frame = [0_i32; 1];
        spread(-0.5, &mut frame);
        assert_eq!(frame, [-1_073_741_824]);
        let mut frame = [I24::new(0).unwrap(); 1];
        spread(0.5, &mut frame);
        assert_eq!(frame[0].inner(), 4_194_304);
        // Full scale has no place above it to wrap around into.
        let mut frame = [0_i16; 1];
        spread(1.0, &mut frame);
        assert_eq!(frame, [i16::MAX]);
    }

    #[test]
    fn stereo_becomes_mono_and_mono_both_front_channels() {
        assert_eq!(mean(&[0.5_f32, 0.25]), 0.375);
        let mut frame = [9_i16; 6];
        spread(0.5, &mut frame);
        assert_eq!(frame, [16_384, 16_384, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_number_is_silence() {
        assert_eq!(mean(&[f32::NAN, 0.5]), 0.0);
        assert_eq!(mean(&[f32::INFINITY]), 0.0);
        assert_eq!(mean(&[7.0_f32]), 1.0);
    }
}
