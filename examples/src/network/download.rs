//! A TCP download that shares a bottleneck: Reno (RFC 5681) with selective acknowledgement, and data
//! without end.

use std::{collections::VecDeque, time::Duration};

use super::link::{Conditions, Queue};

/// Bytes a packet, with headers.
const PACKET: usize = 1500;
/// Packets of the first window (RFC 6928).
const FIRST_WINDOW: f64 = 10.0;

#[derive(Debug)]
pub(super) struct Download {
    /// Packets that may be under way; and where slow start ends.
    window: f64,
    threshold: f64,
    /// Of each packet under way: when its fate is known, when it was sent, and whether it arrived.
    under_way: VecDeque<(Duration, Duration, bool)>,
    /// Losses of packets sent before are of a congestion that was answered.
    answered: Duration,
    received: usize,
    round_trip: Duration,
}

impl Download {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self {
            window: FIRST_WINDOW,
            threshold: f64::INFINITY,
            under_way: VecDeque::new(),
            answered: Duration::ZERO,
            received: 0,
            round_trip: 2 * conditions.delay,
        }
    }

    pub(super) fn received(&self) -> usize {
        self.received
    }

    /// Sends what it would until then.
    pub(super) fn run(&mut self, until: Duration, conditions: &Conditions, queue: &mut Queue) {
        if self.under_way.is_empty() {
            self.send(until, conditions, queue);
        }
        while let Some((at, sent, arrived)) = self.under_way.pop_front_if(|next| next.0 <= until) {
            match arrived {
                true => self.acknowledged(),
                false if sent >= self.answered => {
                    self.threshold = (self.window / 2.0).max(2.0);
                    self.window = self.threshold;
                    self.answered = at;
                }
                false => {}
            }
            self.send(at, conditions, queue);
        }
    }

    fn acknowledged(&mut self) {
        self.received += PACKET;
        self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
    }

    fn send(&mut self, at: Duration, conditions: &Conditions, queue: &mut Queue) {
        while (self.under_way.len() as f64) < self.window.floor() {
            let leaves = queue.pass(at, PACKET, conditions);
            // A loss is noticed by the packets behind it.
            let left = leaves.unwrap_or(at + queue.wait(at));
            self.under_way.push_back((left + self.round_trip, at, leaves.is_some()));
        }
    }
}
