//! The record of the packets that passed a network in one direction.

use std::{ops::Range, time::Duration};

/// Bits are counted by intervals of this length.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// The record of one direction.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Packets that were sent.
    pub packets: u64,
    /// The longest that a packet took to pass the bottleneck.
    pub longest_queue: Duration,
    sent: Vec<f64>,
    delivered: Vec<f64>,
}

impl Record {
    pub(super) fn sent(&mut self, at: Duration, bytes: usize) {
        self.packets += 1;
        add(&mut self.sent, at, bytes);
    }

    pub(super) fn delivered(&mut self, at: Duration, bytes: usize) {
        add(&mut self.delivered, at, bytes);
    }

    pub(super) fn queued(&mut self, wait: Duration) {
        self.longest_queue = self.longest_queue.max(wait);
    }

    /// Bits a second that were sent, on average of a time in whole [`INTERVAL`]s.
    pub fn sent_bps(&self, time: Range<Duration>) -> f64 {
        mean(&self.sent, time)
    }

    /// Bits a second that arrived of those that were sent in a time.
    pub fn delivered_bps(&self, time: Range<Duration>) -> f64 {
        mean(&self.delivered, time)
    }

    /// How long after `from` a span of `lasting` begins whose mean rate of sending is as `wanted`;
    /// looked for until `until`.
    pub fn time_to(
        &self,
        from: Duration,
        until: Duration,
        lasting: Duration,
        wanted: impl Fn(f64) -> bool,
    ) -> Option<Duration> {
        let begins = (0..).map(|n| from + INTERVAL * n);
        let mut begins = begins.take_while(|begin| *begin + lasting <= until);
        begins.find(|begin| wanted(self.sent_bps(*begin..*begin + lasting))).map(|at| at - from)
    }
}

fn index(at: Duration) -> usize {
    (at.as_millis() / INTERVAL.as_millis()) as usize
}

fn add(bits: &mut Vec<f64>, at: Duration, bytes: usize) {
    let index = index(at);
    if bits.len() <= index {
        bits.resize(index + 1, 0.0);
    }
    bits[index] += bytes as f64 * 8.0;
}

fn mean(bits: &[f64], time: Range<Duration>) -> f64 {
    let (from, until) = (index(time.start), index(time.end));
    let sum: f64 = bits.iter().skip(from).take(until.saturating_sub(from)).sum();
    sum / (INTERVAL.as_secs_f64() * until.saturating_sub(from).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_by_the_mean_of_a_span() {
        let mut record = Record::default();
        // 1 Mbit/s for two seconds, then 100 kbit/s for two.
        for n in 0..40 {
            record.sent(INTERVAL * n, if n < 20 { 12_500 } else { 1_250 });
        }
        let (from, until, span) = (Duration::from_secs(1), Duration::from_secs(4), 5 * INTERVAL);
        let to = |wanted: fn(f64) -> bool| record.time_to(from, until, span, wanted);
        assert_eq!(to(|bps| bps > 900_000.0), Some(Duration::ZERO));
        assert_eq!(to(|bps| bps < 110_000.0), Some(Duration::from_secs(1)));
        assert_eq!(to(|bps| bps < 50_000.0), None);
        assert_eq!(record.sent_bps(from..3 * from), 550_000.0);
    }
}
