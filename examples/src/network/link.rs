//! One direction of a network: a queue before a bottleneck, and the way behind it.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::Arrivals;

/// How much later a packet comes that others overtake.
const OVERTAKEN_BY: Duration = Duration::from_millis(30);

/// The behaviour of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Chance of each packet to be lost.
    pub loss: f64,
    /// Packets that are lost together.
    pub bursts: Option<Bursts>,
    /// Time under way, but for the queue.
    pub delay: Duration,
    /// Each packet is under way for up to this much longer; order is kept.
    pub jitter: Duration,
    /// Chance of a packet to be overtaken.
    pub reorder: f64,
    /// Chance of a packet to come twice.
    pub duplicate: f64,
    /// The rate of the bottleneck, in bits a second; `None` without one.
    pub rate: Option<u32>,
    /// The longest wait before the bottleneck; packets that would wait longer are dropped.
    pub queue: Duration,
}

/// Losses that come together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// Packets lost, one after the other.
    pub packets: u32,
    /// The part of all packets that is lost in bursts.
    pub share: f64,
}

impl Conditions {
    /// A perfect network of this length.
    pub const fn after(delay: Duration) -> Self {
        Self {
            loss: 0.0,
            bursts: None,
            delay,
            jitter: Duration::ZERO,
            reorder: 0.0,
            duplicate: 0.0,
            rate: None,
            queue: Duration::from_millis(400),
        }
    }
}

/// A first-in, first-out queue before a bottleneck.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// When the bottleneck is free.
    free: Duration,
}

impl Queue {
    /// When the last bit of a packet has passed the bottleneck; `None` when it is dropped.
    pub(super) fn pass(
        &mut self,
        at: Duration,
        bytes: usize,
        conditions: &Conditions,
    ) -> Option<Duration> {
        let Some(rate) = conditions.rate else { return Some(at) };
        let begins = self.free.max(at);
        if begins - at > conditions.queue {
            return None;
        }
        self.free = begins + Duration::from_secs_f64(bytes as f64 * 8.0 / f64::from(rate));
        Some(self.free)
    }

    /// How long a packet would wait now.
    pub(super) fn wait(&self, at: Duration) -> Duration {
        self.free.saturating_sub(at)
    }
}

/// The way behind the bottleneck.
#[derive(Debug)]
pub(super) struct Link {
    dice: StdRng,
    /// Packets that the burst under way still loses.
    burst: u32,
    /// When the last packet arrived that was not overtaken.
    last: Duration,
}

impl Link {
    pub(super) fn new(seed: &mut StdRng) -> Self {
        Self { dice: StdRng::from_rng(seed), burst: 0, last: Duration::ZERO }
    }

    /// When a packet arrives that leaves the bottleneck at this time.
    pub(super) fn carry(&mut self, leaves: Duration, conditions: &Conditions) -> Arrivals {
        let [lost, jitter, overtaken, twice] = std::array::from_fn(|_| self.dice.random::<f64>());
        let in_burst = self.in_burst(conditions.bursts);
        if in_burst || lost < conditions.loss {
            return [None; 2];
        }
        let arrives = leaves + conditions.delay + conditions.jitter.mul_f64(jitter);
        let mut arrives = arrives.max(self.last);
        self.last = arrives;
        if overtaken < conditions.reorder {
            arrives += OVERTAKEN_BY;
        }
        [Some(arrives), (twice < conditions.duplicate).then_some(arrives)]
    }

    /// A burst of `n` begins after `k` packets that pass, on average, so that `n / (n + k)` are lost.
    fn in_burst(&mut self, bursts: Option<Bursts>) -> bool {
        let Some(Bursts { packets, share }) = bursts else { return false };
        let pass = f64::from(packets) * (1.0 - share) / share;
        if self.burst == 0 && self.dice.random::<f64>() < 1.0 / (pass + 1.0) {
            self.burst = packets;
        }
        let lost = self.burst > 0;
        self.burst = self.burst.saturating_sub(1);
        lost
    }
}
