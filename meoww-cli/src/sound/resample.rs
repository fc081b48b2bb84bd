//! From one sample rate to another, for devices and files whose rate is not ours.
//!
//! Windowed sinc interpolation by `rubato`; samples left over of one call wait for the next, so that
//! any number of samples can be given at a time.

use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction, audioadapter_buffers::direct::SequentialSlice,
};
use thiserror::Error;

/// Sample rates of devices and files that are taken.
pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;
/// The most that [`Resampler::set_speed`] changes: a thousandth is a sixtieth of a semitone.
pub const MAX_SPEED_CHANGE: f64 = 0.001;

/// Delays by half of its length, which is 1.3 ms at 48 kHz, and passes frequencies below 90 % of half the
/// lower rate.
const SINC: SincInterpolationParameters = SincInterpolationParameters {
    sinc_len: 128,
    f_cutoff: Some(0.93),
    oversampling_factor: 256,
    interpolation: SincInterpolationType::Linear,
    window: WindowFunction::BlackmanHarris2,
};

/// The rate is of no device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} samples a second are out of range (8,000 to 384,000)")]
pub struct UnusableRate(pub u32);

/// Converts one channel from one rate to another.
pub struct Resampler {
    /// `None` where the rates are the same and stay so.
    sinc: Option<Async<f32>>,
    waiting: Vec<f32>,
    converted: Vec<f32>,
}

impl Resampler {
    /// Converts samples at the rate `from` to the rate `to`, both in hertz.
    ///
    /// # Errors
    ///
    /// When a rate is outside of [`RATES`].
    pub fn new(from: u32, to: u32) -> Result<Self, UnusableRate> {
        let sinc = (from != to).then(|| sinc(from, to)).transpose()?;
        Ok(Self::over(sinc))
    }

    /// Likewise, with a speed that can be adjusted while it runs.
    ///
    /// # Errors
    ///
    /// When a rate is outside of [`RATES`].
    pub fn adjustable(from: u32, to: u32) -> Result<Self, UnusableRate> {
        Ok(Self::over(Some(sinc(from, to)?)))
    }

    fn over(sinc: Option<Async<f32>>) -> Self {
        let converted = vec![0.0; sinc.as_ref().map_or(0, |sinc| sinc.output_frames_max())];
        Self { sinc, waiting: Vec::new(), converted }
    }

    /// Samples of output before the first of input comes out.
    pub fn delay(&self) -> usize {
        self.sinc.as_ref().map_or(0, |sinc| sinc.output_delay())
    }

    /// Takes samples, and appends those that are ready to `output`.
    pub fn process(&mut self, samples: &[f32], output: &mut impl Extend<f32>) {
        let Some(sinc) = &mut self.sinc else {
            return output.extend(samples.iter().copied());
        };
        self.waiting.extend_from_slice(samples);
        let mut taken = 0;
        while self.waiting.len() - taken >= sinc.input_frames_next() {
            let (input, space) = (&self.waiting[taken..], self.converted.len());
            let input = SequentialSlice::new(input, 1, input.len()).expect("one channel");
            let mut room =
                SequentialSlice::new_mut(&mut self.converted, 1, space).expect("one channel");
            let done = sinc.process_into_buffer(&input, &mut room, None);
            let (read, written) = done.expect("there is enough of both");
            taken += read;
            output.extend(self.converted[..written].iter().copied());
        }
        self.waiting.drain(..taken);
    }

    /// Plays faster (above 1) or slower than the rates say, by [`MAX_SPEED_CHANGE`] at most, from the
    /// next samples on. Changes nothing unless it is [`adjustable`](Self::adjustable).
    pub fn set_speed(&mut self, speed: f64) {
        let ratio = 1.0 / speed.clamp(1.0 - MAX_SPEED_CHANGE, 1.0 + MAX_SPEED_CHANGE);
        if let Some(sinc) = &mut self.sinc {
            sinc.set_resample_ratio_relative(ratio, true).expect("it is within bounds");
        }
    }
}

fn sinc(from: u32, to: u32) -> Result<Async<f32>, UnusableRate> {
    for rate in [from, to] {
        if !RATES.contains(&rate) {
            return Err(UnusableRate(rate));
        }
    }
    let ratio = f64::from(to) / f64::from(from);
    // 5 ms at a time: samples that wait are delay.
    let chunk = (from / 200) as usize;
    let most = 1.0 + 2.0 * MAX_SPEED_CHANGE;
    let made = Async::new_sinc(ratio, most, &SINC, chunk, 1, FixedAsync::Input);
    Ok(made.expect("the parameters are in range"))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(hertz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let samples = (seconds * f64::from(rate)) as usize;
        let at = |n| 0.5 * (TAU * hertz * n as f64 / f64::from(rate)).sin();
        (0..samples).map(|n| at(n) as f32).collect()
    }

    /// Frequency by upward crossings of zero, interpolated, and amplitude by mean power; without the
    /// first and last tenth.
    fn measure(samples: &[f32], rate: u32) -> (f64, f64) {
        let middle = &samples[samples.len() / 10..samples.len() * 9 / 10];
        let mut crossings = Vec::new();
        for (at, pair) in middle.windows(2).enumerate() {
            if pair[0] < 0.0 && pair[1] >= 0.0 {
                let part = f64::from(-pair[0] / (pair[1] - pair[0]));
                crossings.push(at as f64 + part);
            }
        }
        let periods = (crossings.len() - 1) as f64;
        let hertz = periods * f64::from(rate) / (crossings[crossings.len() - 1] - crossings[0]);
        let power: f64 = middle.iter().map(|s| f64::from(s * s)).sum::<f64>() / middle.len() as f64;
        (hertz, (2.0 * power).sqrt())
    }

    #[test]
    fn a_tone_keeps_its_frequency_and_level_whatever_the_rates_and_portions() {
        for (from, to) in [
            (44_100, 48_000),
            (48_000, 44_100),
            (16_000, 48_000),
            (192_000, 48_000),
            (48_000, 48_000),
        ] {
            let input = tone(1000.0, from, 1.0);
            let (mut resampler, mut output) = (Resampler::new(from, to).unwrap(), Vec::new());
            let (mut at, mut portion) = (0, 0);
            while at < input.len() {
                portion = (portion + 7) % 1000;
                let end = (at + portion).min(input.len());
                resampler.process(&input[at..end], &mut output);
                at = end;
            }
            let missing = f64::from(to) - output.len() as f64;
            assert!((0.0..=0.01 * f64::from(to)).contains(&missing), "{from} to {to}: {missing}");
            let (hertz, amplitude) = measure(&output, to);
            assert!((hertz - 1000.0).abs() < 0.1, "{from} to {to}: {hertz} Hz");
            assert!((amplitude - 0.5).abs() < 0.005, "{from} to {to}: {amplitude}");
        }
    }

    /// 15 kHz, above half of 16 kHz, would come back as 1 kHz.
    #[test]
    fn what_a_lower_rate_cannot_hold_is_left_out() {
        let (mut resampler, mut output) = (Resampler::new(48_000, 16_000).unwrap(), Vec::new());
        resampler.process(&tone(15_000.0, 48_000, 1.0), &mut output);
        let (_, amplitude) = measure(&output, 16_000);
        assert!(amplitude < 0.5 / 1000.0, "{amplitude}");
    }

    #[test]
    fn speed_is_adjusted_by_a_thousandth_at_most() {
        for (asked, expected) in [(1.0, 1.0), (1.0002, 1.0002), (0.9995, 0.9995), (2.0, 1.001)] {
            let mut resampler = Resampler::adjustable(48_000, 48_000).unwrap();
            resampler.set_speed(asked);
            let mut output = Vec::new();
            resampler.process(&tone(1000.0, 48_000, 4.0), &mut output);
            let (hertz, _) = measure(&output, 48_000);
            assert!((hertz / 1000.0 - expected).abs() < 0.000_01, "{asked}: {hertz} Hz");
        }
    }

    #[test]
    fn rates_of_no_device_are_refused() {
        for (from, to) in [(0, 48_000), (48_000, 0), (u32::MAX, 48_000), (7_999, 48_000)] {
            assert!(Resampler::new(from, to).is_err(), "{from} to {to}");
        }
    }
}
