//! The sender's clock in one's own time: when the packet of a moment comes that nothing delays, and
//! how fast the two clocks drift apart.

use std::{collections::VecDeque, time::Duration};

use super::SAMPLE_RATE;

/// One minimum is kept for each of so many seconds.
const BUCKET: f64 = 1.0;
/// Minima that count for the delay of the empty path, 15 s: changed routes are forgotten.
const BASE_BUCKETS: usize = 15;
/// Minima that the drift is estimated from, 2 minutes; and how many there must be.
const DRIFT_BUCKETS: usize = 120;
const MIN_DRIFT_BUCKETS: usize = 20;
/// Crystals differ by 200 ppm at most; more is a changed route.
const MAX_DRIFT: f64 = 500e-6;

/// Follows one stream.
#[derive(Debug, Default)]
pub(crate) struct SenderClock {
    /// The smallest offset of each second, with its moment; oldest first.
    minima: VecDeque<(f64, f64)>,
    began: f64,
    drift: f64,
}

impl SenderClock {
    /// Takes the arrival of a packet; `arrived` is since any fixed moment, `timestamp` in samples.
    pub(crate) fn observe(&mut self, timestamp: i64, arrived: Duration) {
        let at = arrived.as_secs_f64();
        let offset = offset(timestamp, arrived);
        match self.minima.back_mut() {
            Some(newest) if at < self.began + BUCKET => {
                if offset < newest.1 {
                    *newest = (at, offset);
                }
                return;
            }
            Some(_) | None => self.began = at,
        }
        self.drift = self.fitted_drift();
        self.minima.push_back((at, offset));
        if self.minima.len() > DRIFT_BUCKETS {
            self.minima.pop_front();
        }
    }

    /// Seconds from the moment of a timestamp to the arrival of a packet that nothing delays; `None`
    /// before the first packet. Only differences mean anything.
    pub(crate) fn base(&self, now: Duration) -> Option<f64> {
        let now = now.as_secs_f64();
        let recent = self.minima.iter().rev().take(BASE_BUCKETS);
        recent.map(|(at, offset)| offset + self.drift * (now - at)).reduce(f64::min)
    }

    /// By how many millionths the sender's clock is slower than one's own.
    pub(crate) fn drift_ppm(&self) -> f64 {
        self.drift * 1e6
    }

    /// The slope of the minima, by least squares.
    fn fitted_drift(&self) -> f64 {
        let count = self.minima.len();
        if count < MIN_DRIFT_BUCKETS {
            return 0.0;
        }
        let mean = |value: fn(&(f64, f64)) -> f64| {
            self.minima.iter().map(value).sum::<f64>() / count as f64
        };
        let (at, offset) = (mean(|minimum| minimum.0), mean(|minimum| minimum.1));
        let (mut covariance, mut variance) = (0.0, 0.0);
        for minimum in &self.minima {
            covariance += (minimum.0 - at) * (minimum.1 - offset);
            variance += (minimum.0 - at) * (minimum.0 - at);
        }
        let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
        if slope.abs() <= MAX_DRIFT { slope } else { 0.0 }
    }
}

/// Seconds between the moment that a timestamp names and an arrival.
pub(crate) fn offset(timestamp: i64, arrived: Duration) -> f64 {
    arrived.as_secs_f64() - timestamp as f64 / f64::from(SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

    use super::*;

    /// Packets of 20 ms from a clock that is `ppm` slow, with up to `jitter` seconds of delay.
    fn followed(ppm: f64, jitter: f64, seconds: u32) -> (SenderClock, f64) {
        let mut random = SmallRng::seed_from_u64(7);
        let (mut clock, mut true_base) = (SenderClock::default(), 0.0);
        for packet in 0..seconds * 50 {
            let made = f64::from(packet) * 0.02 * (1.0 + ppm * 1e-6);
            let arrived = Duration::from_secs_f64(made + 0.05 + random.random_range(0.0..=jitter));
            let timestamp = i64::from(packet) * 960;
            clock.observe(timestamp, arrived);
            true_base = made + 0.05 - timestamp as f64 / 48_000.0;
        }
        (clock, true_base)
    }

    #[test]
    fn the_drift_of_two_crystals_is_found_through_jitter() {
        for ppm in [-200.0, -50.0, 0.0, 200.0] {
            let (clock, true_base) = followed(ppm, 0.02, 180);
            assert!((clock.drift_ppm() - ppm).abs() < 20.0, "{ppm}: {}", clock.drift_ppm());
            let base = clock.base(Duration::from_secs_f64(180.0 * (1.0 + ppm * 1e-6))).unwrap();
            assert!((base - true_base).abs() < 0.003, "{ppm}: {base} and not {true_base}");
        }
    }

    #[test]
    fn a_longer_route_is_believed_after_15_s() {
        let mut clock = SenderClock::default();
        for packet in 0..50_u32 * 40 {
            let made = f64::from(packet) * 0.02;
            let path = if made < 20.0 { 0.05 } else { 0.15 };
            clock.observe(i64::from(packet) * 960, Duration::from_secs_f64(made + path));
        }
        let base = clock.base(Duration::from_secs(40)).unwrap();
        assert!((base - 0.15).abs() < 0.01, "{base}");
        assert_eq!(clock.drift_ppm(), 0.0, "a route is no crystal");
    }

    #[test]
    fn nothing_is_known_before_the_first_packet() {
        assert_eq!(SenderClock::default().base(Duration::from_secs(1)), None);
    }
}
