//! Others who send through the same bottleneck, such as a download, and keep its queue full.
//!
//! A queue of ours becomes shorter by what passes and longer by what is sent. Where it does not, others
//! fill it.

use std::time::{Duration, Instant};

use super::{
    aimd::{DELAY_FREE, DELAY_STABLE},
    window::{Fate, faster, sent},
};

/// Of what passed, the part that makes no queue; and of what is sent, the part that has to arrive: less
/// says that the path became narrow.
const LITTLE: f64 = 0.85;
/// Of what passed at one limit, what counts at the next.
const LIMIT_MEMORY: f64 = 0.8;
/// Windows, one after the other, in which a queue grows although little is sent.
const SEEN_FOR: u32 = 3;
/// Windows in which a queue of its own is gone at the least rate: one that stays so long is that of
/// others.
const QUEUED_FOR: u32 = 10;
/// Bits a second of reports and checks, which go the same way and are not counted: much of a narrow path,
/// and little of one that is shown to be this much faster than what passes, by so many packets.
const UNCOUNTED: f64 = 12_000.0;
const FASTER: f64 = 2.0;
const FASTER_PACKETS: usize = 2;
/// Seconds by which a queue should have become shorter, from which it can be told whether it did. By less
/// than this part of them it did not, and by more than that it did.
const DRAIN_TOLD: f64 = 0.080;
const STAYS: f64 = 0.2;
const DRAINS: f64 = 0.5;
/// For how long others are believed to be there.
const BELIEVED: Duration = Duration::from_secs(20);
/// Windows without a queue, one after the other, after which there are none.
const FREE_FOR: u32 = 6;

/// What reports of a window say.
pub(super) struct Seen<'a> {
    pub(super) window: &'a [Fate],
    pub(super) seconds: f64,
    /// The delay by the queue in seconds, and by how much it grew in the window.
    pub(super) queued: f64,
    pub(super) growth: f64,
    /// Nothing less can be sent.
    pub(super) is_least: bool,
}

/// Whether others fill the queue, as a function of windows and time.
#[derive(Default)]
pub(super) struct Others {
    until: Option<Instant>,
    growing_windows: u32,
    /// Windows without a queue, up to now, and with one.
    free_windows: u32,
    queued_windows: u32,
    /// Bits a second that passed of late.
    most_passed: f64,
    /// Packets that passed faster, since a queue was last this side's own.
    faster: usize,
    drain: Option<Drain>,
}

/// A queue that is to drain, as less is sent than passed.
struct Drain {
    /// The bits a second that pass.
    passes: f64,
    /// Departure and delay of the packet after which the queue is watched, in seconds; and what was
    /// sent since.
    began: Option<(f64, f64)>,
    bits: f64,
}

impl Others {
    pub(super) fn fill_the_queue(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until) && self.free_windows < FREE_FOR
    }

    /// Less is sent than passed, from now on, in bits a second; `carried` is what passes for sure.
    pub(super) fn sends_less(&mut self, passed: f64, carried: Option<f64>) {
        self.most_passed = passed.max(self.most_passed * LIMIT_MEMORY);
        self.drain = carried.map(|passes| Drain { passes, began: None, bits: 0.0 });
    }

    pub(super) fn look(&mut self, now: Instant, seen: &Seen<'_>) {
        if seen.queued < DELAY_FREE {
            (self.free_windows, self.queued_windows) = (self.free_windows + 1, 0);
        } else {
            (self.free_windows, self.queued_windows) = (0, self.queued_windows + 1);
        }
        let (sent, passed) = sent(seen.window, seen.seconds);
        let is_least = seen.is_least && self.queued_windows >= QUEUED_FOR;
        let is_little = passed > LITTLE && (sent < LITTLE * self.most_passed || is_least);
        let grows = seen.queued > DELAY_FREE && seen.growth > DELAY_STABLE;
        self.growing_windows = if is_little && grows { self.growing_windows + 1 } else { 0 };
        let stays = self.stays(seen) && passed > LITTLE;
        if stays || self.growing_windows >= SEEN_FOR {
            self.until = Some(now + BELIEVED);
        }
    }

    /// Whether the queue stays although less is sent than passes.
    fn stays(&mut self, seen: &Seen<'_>) -> bool {
        let Some(drain) = self.drain.as_mut().filter(|_| seen.queued > DELAY_FREE) else {
            self.drain = None;
            return false;
        };
        let mut arrived = seen.window.iter().filter_map(|fate| Some((fate.departed, fate.delay?)));
        let Some((departed, delay)) = arrived.next_back() else { return false };
        let Some((began, first)) = drain.began else {
            drain.began = Some((departed, delay));
            return false;
        };
        drain.bits += seen.window.iter().map(|fate| fate.bytes as f64 * 8.0).sum::<f64>();
        self.faster += faster(seen.window, FASTER * drain.passes);
        let uncounted = if self.faster < FASTER_PACKETS { UNCOUNTED } else { 0.0 };
        let elapsed = departed - began;
        let expected = elapsed - (drain.bits + uncounted * elapsed) / drain.passes;
        if expected > DRAIN_TOLD && first - delay > DRAINS * expected {
            // It is of this side's own, and no more passes than that.
            (self.most_passed, self.faster) = (drain.passes, 0);
            self.drain = None;
            return false;
        }
        expected > DRAIN_TOLD && first - delay < STAYS * expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// Whether others are believed to be there after three seconds in which 100 kbit/s pass, so much is
    /// sent, and a queue of 0.2 s becomes shorter by so many seconds each second.
    fn believed(bps: f64, shorter: f64) -> bool {
        let (mut others, now) = (Others::default(), clock::now());
        others.sends_less(100e3, Some(100e3));
        for window in 0..15 {
            let fate = |packet: u32| {
                let departed = f64::from(window) * 0.2 + f64::from(packet) * 0.05;
                let bytes = (bps * 0.05 / 8.0) as usize;
                Fate { bytes, departed, delay: Some(0.24 - shorter * departed) }
            };
            let fates = [0, 1, 2, 3].map(fate);
            let queued = fates[3].delay.unwrap_or_default() - 0.04;
            let growth = -shorter * 0.2;
            let seen = Seen { window: &fates, seconds: 0.2, queued, growth, is_least: false };
            others.look(now, &seen);
        }
        others.fill_the_queue(now)
    }

    #[test]
    fn a_queue_that_drains_as_it_should_is_of_this_side() {
        assert!(!believed(70e3, 0.18));
        // With what is not counted, nearly all that passes.
        assert!(!believed(86e3, 0.02));
    }

    #[test]
    fn a_queue_that_stays_is_of_others() {
        assert!(believed(70e3, 0.0));
        assert!(believed(50e3, 0.05));
    }
}
