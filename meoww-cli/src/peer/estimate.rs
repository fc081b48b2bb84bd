//! How much the path to the partner carries.
//!
//! Additive increase, multiplicative decrease on two signals, as in Google congestion control
//! (draft-ietf-rmcat-gcc-02): queueing delay, and loss beyond what a radio link has anyway. Fed by
//! transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01). Simpler than the
//! draft in that delay is compared with the smallest of late instead of filtered: a call between
//! two terminals needs a few hundred kbit/s, and its rate must above all not collapse.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rtc::interceptor::{BandwidthEstimator, PacketReport};
use tokio::sync::watch;

/// Bits a second to begin with: a terminal's picture, and little enough for most paths.
pub(super) const START_BPS: f64 = 400_000.0;
const MIN_BPS: f64 = 50_000.0;
const MAX_BPS: f64 = 3_000_000.0;

/// Reports are judged together for this long.
const WINDOW: Duration = Duration::from_millis(200);
/// Windows over which the smallest delay counts as that of the empty path: 10 s, so that drifting
/// clocks and changed routes are forgotten.
const BASE_WINDOWS: usize = 50;
/// Queueing delay in seconds: below it the path is free; above it, overfull.
const DELAY_FREE: f64 = 0.030;
const DELAY_FULL: f64 = 0.080;
/// Growth of the delay in a window that already means overuse, when it is not free.
const DELAY_GROWTH: f64 = 0.020;
/// Growth of the delay in a window that means nothing: a delay that stays is a longer route.
const DELAY_STABLE: f64 = 0.002;
/// Loss that random radio noise explains, and that from which the rate is cut.
const LOSS_NOISE: f64 = 0.10;
const LOSS_FULL: f64 = 0.18;
/// What a window's loss still counts in the next: there are few packets in one, so that loss is
/// judged over some 2.5 s.
const LOSS_MEMORY: f64 = 0.92;

/// What became of one packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) bytes: usize,
    /// One-way delay in seconds plus any constant; `None` when it was lost.
    pub(super) delay: Option<f64>,
}

/// The estimate as a function of reports and time.
pub(super) struct Estimator {
    bps: f64,
    window: Vec<Fate>,
    window_began: Option<Instant>,
    /// Smallest delay of each of the latest windows.
    smallest: VecDeque<f64>,
    last_delay: f64,
    /// Packets lost and sent, of late.
    lost: f64,
    sent: f64,
    /// After a cut the queue needs time to drain before it is judged again.
    settle_until: Option<Instant>,
}

impl Estimator {
    pub(super) fn new(bps: f64) -> Self {
        Self {
            bps,
            window: Vec::new(),
            window_began: None,
            smallest: VecDeque::new(),
            last_delay: 0.0,
            lost: 0.0,
            sent: 0.0,
            settle_until: None,
        }
    }

    /// Bits a second.
    pub(super) fn bps(&self) -> f64 {
        self.bps
    }

    pub(super) fn report(&mut self, now: Instant, fates: impl Iterator<Item = Fate>) {
        self.window.extend(fates);
        let began = *self.window_began.get_or_insert(now);
        let lasted = now.saturating_duration_since(began);
        if lasted >= WINDOW && self.window.len() >= 4 {
            self.judge(now, lasted.as_secs_f64());
            self.window.clear();
            self.window_began = Some(now);
        }
    }

    fn judge(&mut self, now: Instant, seconds: f64) {
        let arrived = self.window.iter().filter(|fate| fate.delay.is_some());
        let received = arrived.map(|fate| fate.bytes as f64 * 8.0).sum::<f64>() / seconds;
        let mut delays: Vec<f64> = self.window.iter().filter_map(|fate| fate.delay).collect();
        self.lost = self.lost * LOSS_MEMORY + (self.window.len() - delays.len()) as f64;
        self.sent = self.sent * LOSS_MEMORY + self.window.len() as f64;
        let loss = self.lost / self.sent;
        delays.sort_by(f64::total_cmp);
        let (Some(smallest), Some(median)) =
            (delays.first().copied(), delays.get(delays.len() / 2).copied())
        else {
            return self.cut(now, self.bps * 0.7);
        };
        let queued = median - self.base(smallest);
        let growth = queued - std::mem::replace(&mut self.last_delay, queued);
        if self.settle_until.is_some_and(|until| now < until) {
            return;
        }
        let growing = queued > DELAY_FREE && growth > DELAY_GROWTH;
        if queued > DELAY_FULL || growing {
            // Little may have been received for want of something to send, or of word of it.
            self.cut(now, (received * 0.85).clamp(self.bps * 0.5, self.bps * 0.9));
        } else if loss > LOSS_FULL {
            self.cut(now, (self.bps * (1.0 - 0.5 * loss)).max(received * 0.85).min(self.bps));
        } else if (queued < DELAY_FREE || growth < DELAY_STABLE) && loss < LOSS_NOISE {
            // Not far beyond what is really sent: only that has been tried.
            let tried = received * 1.5 + 50_000.0;
            let grown = (self.bps * 1.04 + 4_000.0).min(tried.max(self.bps));
            self.bps = grown.min(MAX_BPS);
        }
    }

    /// The delay of the empty path.
    fn base(&mut self, smallest: f64) -> f64 {
        self.smallest.push_back(smallest);
        if self.smallest.len() > BASE_WINDOWS {
            self.smallest.pop_front();
        }
        self.smallest.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn cut(&mut self, now: Instant, bps: f64) {
        self.bps = bps.max(MIN_BPS);
        self.settle_until = Some(now + 2 * WINDOW);
    }
}

/// The estimator in the chain of interceptors; the estimate goes out through a latest-value slot.
pub(super) struct Feedback {
    estimator: Estimator,
    /// Departures are counted from here.
    origin: Option<Instant>,
    out: watch::Sender<u32>,
}

impl Feedback {
    /// Where the newest estimate can be read, in bits a second, comes second.
    pub(super) fn new() -> (Self, watch::Receiver<u32>) {
        let (out, estimate) = watch::channel(START_BPS as u32);
        (Self { estimator: Estimator::new(START_BPS), origin: None, out }, estimate)
    }
}

impl BandwidthEstimator for Feedback {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        let Some(first) = reports.first() else {
            return;
        };
        let origin = *self.origin.get_or_insert(first.departure);
        let fates = reports.iter().map(|report| {
            let departed = report.departure.saturating_duration_since(origin).as_secs_f64();
            let arrival = report.arrival.filter(|_| report.arrived);
            let delay = arrival.map(|arrival| arrival.as_secs_f64() - departed);
            Fate { bytes: report.size, delay }
        });
        self.estimator.report(now, fates);
        self.out.send_replace(self.estimator.bps() as u32);
    }

    fn target_bitrate(&self) -> f64 {
        self.estimator.bps()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const PACKET: usize = 1_000;
    const STEP: Duration = Duration::from_millis(10);

    /// A path in virtual time: a queue of 400 ms before a link, and random loss after it.
    struct Path {
        estimator: Estimator,
        now: Instant,
        /// When the link is free again, in seconds; and the time, in the same.
        free: f64,
        time: f64,
        owed: f64,
        fates: Vec<Fate>,
        dice: u32,
    }

    impl Path {
        fn new() -> Self {
            let estimator = Estimator::new(START_BPS);
            let (now, fates) = (clock::now(), Vec::new());
            Self { estimator, now, free: 0.0, time: 0.0, owed: 0.0, fates, dice: 1 }
        }

        /// Sends at the estimate, up to `wanted`, over a link of `rate` for `seconds`; returns the
        /// mean estimate of the second half, and the share of packets that arrived in it.
        fn run(&mut self, seconds: f64, rate: f64, wanted: f64, loss: f64) -> (f64, f64) {
            let steps = (seconds / STEP.as_secs_f64()) as usize;
            let (mut sum, mut sent, mut arrived) = (0.0, 0, 0);
            for step in 0..steps {
                self.now += STEP;
                self.time += STEP.as_secs_f64();
                self.owed += self.estimator.bps().min(wanted) * STEP.as_secs_f64() / 8.0;
                while self.owed >= PACKET as f64 {
                    self.owed -= PACKET as f64;
                    let delay = self.send(rate).filter(|_| !self.roll(loss));
                    if step > steps / 2 {
                        sent += 1;
                        arrived += usize::from(delay.is_some());
                    }
                    self.fates.push(Fate { bytes: PACKET, delay });
                }
                if step % 10 == 0 {
                    self.estimator.report(self.now, std::mem::take(&mut self.fates).into_iter());
                }
                sum += if step > steps / 2 { self.estimator.bps() } else { 0.0 };
            }
            (sum / (steps as f64 / 2.0), arrived as f64 / f64::from(sent.max(1)))
        }

        fn send(&mut self, rate: f64) -> Option<f64> {
            self.free = self.free.max(self.time);
            if self.free - self.time > 0.4 {
                return None;
            }
            self.free += PACKET as f64 * 8.0 / rate;
            Some(self.free - self.time + 0.04)
        }

        fn roll(&mut self, chance: f64) -> bool {
            self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(self.dice >> 8) / f64::from(1 << 24) < chance
        }
    }

    #[test]
    fn a_bottleneck_is_found_and_held() {
        let mut path = Path::new();
        let (bps, arrived) = path.run(10.0, 300_000.0, 2e6, 0.0);
        assert!((200_000.0..330_000.0).contains(&bps), "{bps}");
        assert!(arrived > 0.97, "{arrived}");
        let (bps, arrived) = path.run(60.0, 300_000.0, 2e6, 0.0);
        assert!((200_000.0..330_000.0).contains(&bps), "{bps}");
        assert!(arrived > 0.97, "{arrived}");
    }

    #[test]
    fn random_loss_does_not_collapse_it() {
        let (bps, _) = Path::new().run(60.0, 10e6, 400_000.0, 0.05);
        assert!(bps > 400_000.0, "{bps}");
    }

    #[test]
    fn it_recovers_after_a_bottleneck() {
        let mut path = Path::new();
        path.run(20.0, 150_000.0, 2e6, 0.0);
        let (bps, _) = path.run(20.0, 5e6, 2e6, 0.0);
        assert!(bps > 600_000.0, "{bps}");
    }

    #[test]
    fn a_dead_path_brings_it_to_the_floor_and_not_below() {
        let mut path = Path::new();
        let (bps, _) = path.run(60.0, 10e6, 2e6, 1.0);
        assert!((MIN_BPS * 0.99..100_000.0).contains(&bps), "{bps}");
    }

    #[test]
    fn what_is_not_used_is_not_believed() {
        let (bps, _) = Path::new().run(60.0, 50e6, 100_000.0, 0.0);
        assert!(bps < 500_000.0, "{bps}");
    }
}
