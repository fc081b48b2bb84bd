//! Our congestion control.
//!
//! Additive increase, multiplicative decrease on two signals, as in Google congestion control
//! (draft-ietf-rmcat-gcc-02): queueing delay, and loss beyond what a radio link has anyway. Fed by
//! transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01). Simpler than the
//! draft in that delay is compared with the smallest of late instead of filtered: a call between
//! two terminals needs a few hundred kbit/s, and its rate must above all not collapse.
//!
//! The rate grows fast where it has met no limit, and slowly near the last one, as in CUBIC (RFC 9438),
//! so that a path that became wider is found within seconds and a narrow one has a short queue. Beside
//! others who fill the queue (a download) and would take all, it is borne and loss alone decides, as in TCP.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    others::{Others, Seen},
    window::{Fate, carried, certain, received, without_lost_reports},
};

/// Bits a second to begin with: sound and a small picture, which any path should carry. The first second
/// of sound is not to wait behind the first picture, and a wider path has half as much again after half
/// a second.
pub(super) const START_BPS: f64 = 110_000.0;
/// Clean sound, and a picture that moves now and then.
pub(super) const MIN_BPS: f64 = 70_000.0;
pub(super) const MAX_BPS: f64 = 3_000_000.0;

/// Reports are judged together for this long, and for less when the queue is long.
const WINDOW: Duration = Duration::from_millis(200);
const SHORT_WINDOW: Duration = Duration::from_millis(60);
/// Packets of a window, at least.
const LEAST_PACKETS: usize = 4;
/// Windows over which the smallest delay counts as that of the empty path: 10 s, so that drifting
/// clocks and changed routes are forgotten.
const BASE_WINDOWS: usize = 50;
/// Queueing delay in seconds: below it the path is free; above it, overfull.
pub(super) const DELAY_FREE: f64 = 0.030;
const DELAY_FULL: f64 = 0.080;
/// Growth of the delay in a window that already means overuse, when it is not free.
const DELAY_GROWTH: f64 = 0.020;
/// Growth of the delay in a window that means nothing: a delay that stays is a longer route.
pub(super) const DELAY_STABLE: f64 = 0.002;
/// Loss that random radio noise explains, and that from which the rate is cut.
pub(super) const LOSS_NOISE: f64 = 0.13;
const LOSS_FULL: f64 = 0.20;
/// What a window's loss still counts in the next: there are few packets in one, so that loss is
/// judged over some 2.5 s.
const LOSS_MEMORY: f64 = 0.92;
/// Growth in a window: before any limit was met, far from the last, and near it.
const FIRST: f64 = 1.20;
const FAST: f64 = 1.10;
const SLOW: f64 = 1.02;
/// The range of rates near the last limit.
const NEAR: std::ops::Range<f64> = 0.85..1.15;
/// Beside others, who fill the queue: what the rate grows in a window, and what is left of it when packets
/// are lost, as in TCP.
const BESIDE_GROWTH: f64 = 20_000.0;
const BESIDE_CUT: f64 = 0.85;
const BESIDE_SETTLE: Duration = Duration::from_millis(600);
/// Delay up to which others' queue is borne, in seconds.
const BESIDE_FULL: f64 = 0.400;

/// Of what passed, what is sent when the queue has drained.
const AFTER_DRAIN: f64 = 0.85;
/// The longest time that a queue is given to drain.
const LONGEST_DRAIN: f64 = 1.0;

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
    /// The rate that passed when the path was last overfull.
    limit: Option<f64>,
    /// After a cut the queue needs time to drain before it is judged again.
    settle_until: Option<Instant>,
    others: Others,
    last_received: f64,
    /// The rate before reports stayed away, and when they were missed: in the seconds of departures.
    before_silence: Option<f64>,
    silent_since: Option<f64>,
    /// The rate once the queue has drained, and the one before it began to, which is not exceeded: a
    /// machine or a radio that stood still hands over faster than the path carries.
    after_drain: Option<f64>,
    before_cuts: f64,
}

impl Estimator {
    /// Whether others are believed to fill the queue.
    #[cfg(test)]
    pub(super) fn is_beside_others(&self, now: Instant) -> bool {
        self.others.fill_the_queue(now)
    }

    pub(super) fn new(bps: f64) -> Self {
        Self {
            bps,
            window: Vec::new(),
            window_began: None,
            smallest: VecDeque::new(),
            last_delay: 0.0,
            lost: 0.0,
            sent: 0.0,
            limit: None,
            settle_until: None,
            others: Others::default(),
            last_received: bps,
            before_silence: None,
            silent_since: None,
            after_drain: None,
            before_cuts: 0.0,
        }
    }

    /// Packets that are not judged yet.
    #[cfg(test)]
    pub(super) fn window(&self) -> &[Fate] {
        &self.window
    }

    /// Bits a second.
    pub(super) fn bps(&self) -> f64 {
        self.bps
    }

    pub(super) fn report(&mut self, now: Instant, fates: impl Iterator<Item = Fate>) {
        self.window.extend(without_lost_reports(fates.collect()));
        let began = *self.window_began.get_or_insert(now);
        let lasted = now.saturating_duration_since(began);
        let enough = self.window.len() >= LEAST_PACKETS;
        if enough && (lasted >= WINDOW || lasted >= SHORT_WINDOW && self.is_overfull()) {
            self.judge(now, lasted.as_secs_f64());
            self.window.clear();
            self.window_began = Some(now);
        }
    }

    /// Whether the newest delay leaves no doubt.
    fn is_overfull(&self) -> bool {
        let newest = self.window.iter().rev().find_map(|fate| fate.delay);
        let delays = self.window.iter().filter_map(|fate| fate.delay);
        let base = self.smallest.iter().copied().chain(delays).fold(f64::INFINITY, f64::min);
        newest.is_some_and(|delay| delay - base > 2.0 * DELAY_FULL)
    }

    fn judge(&mut self, now: Instant, seconds: f64) {
        let mut delays: Vec<f64> = self.window.iter().filter_map(|fate| fate.delay).collect();
        self.lost = self.lost * LOSS_MEMORY + (self.window.len() - delays.len()) as f64;
        self.sent = self.sent * LOSS_MEMORY + self.window.len() as f64;
        let loss = certain(self.lost / self.sent, self.sent);
        delays.sort_by(f64::total_cmp);
        let (Some(smallest), Some(median)) =
            (delays.first().copied(), delays.get(delays.len() / 2).copied())
        else {
            return self.cut(now, self.bps * 0.7);
        };
        let received = received(&self.window, seconds);
        self.last_received = received;
        let queued = median - self.base(smallest);
        let growth = queued - std::mem::replace(&mut self.last_delay, queued);
        let is_least = self.bps < MIN_BPS * 1.3;
        let seen = Seen { window: &self.window, seconds, queued, growth, is_least };
        self.others.look(now, &seen);
        let newest = self.window.last().map_or(f64::INFINITY, |fate| fate.departed);
        self.silent_since = self.silent_since.filter(|since| newest < *since);
        let most = self.before_silence.unwrap_or(self.bps);
        if !self.is_silent() {
            self.before_silence = None;
        }
        // That is also known while the queue drains, and after a silence in which little was sent.
        let carried = carried(&self.window, median - queued, DELAY_FREE);
        if let Some(carried) = carried.filter(|_| queued > DELAY_FULL) {
            self.after_drain =
                Some(self.after_drain.unwrap_or_default().max(carried * AFTER_DRAIN));
        }
        if queued < DELAY_FREE && !self.is_silent() {
            // The queue has drained: back to what passes. Or the path was down, and is as it was.
            let passes = self.after_drain.take().unwrap_or(most * 0.5);
            self.bps = self.bps.max(passes.min(std::mem::take(&mut self.before_cuts)));
        }
        if self.settle_until.is_some_and(|until| now < until) {
            return;
        }
        if self.others.fill_the_queue(now) && queued < BESIDE_FULL {
            return self.judge_beside_others(now, received);
        }
        let growing = queued > DELAY_FREE && growth > DELAY_GROWTH;
        if queued > DELAY_FULL || growing {
            if growth < -DELAY_STABLE && self.after_drain.is_some() {
                // It drains already.
                return;
            }
            let passed = carried.unwrap_or(received.min(most));
            self.others.sends_less(passed, carried);
            self.after_drain = Some(self.after_drain.unwrap_or_default().max(passed * AFTER_DRAIN));
            self.limit = Some(passed);
            // Less than what passes, so that the queue drains. But little may have been received for
            // want of something to send, or of word of it.
            let drain = (0.95 - queued).clamp(0.5, 0.85);
            let least = if carried.is_some() { 0.0 } else { self.bps * 0.25 };
            self.cut(now, (passed * drain).clamp(least, self.bps * 0.9));
            let drained = (queued / (1.0 - drain)).min(LONGEST_DRAIN);
            self.settle_until = Some(now + 2 * WINDOW + Duration::from_secs_f64(drained));
        } else if loss > LOSS_FULL {
            self.cut(now, (self.bps * (1.0 - 0.5 * loss)).max(received * 0.85).min(self.bps));
        } else if (queued < DELAY_FREE || growth < DELAY_STABLE) && loss < LOSS_NOISE {
            self.grow(received);
        }
    }

    /// Whether there was no word yet of what was sent since reports stayed away.
    pub(super) fn is_silent(&self) -> bool {
        self.silent_since.is_some()
    }

    /// Packets were sent, and no report has come for some time. `since` is now in the seconds of departures.
    pub(super) fn silence(&mut self, now: Instant, since: f64) {
        self.silent_since.get_or_insert(since);
        // Packets that were not sent cannot be too many.
        let sent = self.before_silence.unwrap_or(self.bps.min(self.last_received));
        self.before_silence = Some(sent);
        self.cut(now, self.bps.min(sent) * 0.5);
    }

    fn judge_beside_others(&mut self, now: Instant, received: f64) {
        if self.window.iter().any(|fate| fate.delay.is_none()) {
            self.cut(now, self.bps * BESIDE_CUT);
            self.settle_until = Some(now + BESIDE_SETTLE);
        } else {
            let tried = received * 1.5 + 50_000.0;
            self.bps = (self.bps + BESIDE_GROWTH).min(tried.max(self.bps)).min(MAX_BPS);
        }
    }

    /// Not far beyond what is really sent: only that has been tried.
    fn grow(&mut self, received: f64) {
        let rate = match self.limit {
            None => FIRST,
            Some(limit) if NEAR.contains(&(self.bps / limit)) => SLOW,
            Some(_) => FAST,
        };
        let tried = received * 1.5 + 50_000.0;
        let grown = (self.bps * rate + 2_000.0).min(tried.max(self.bps));
        self.bps = grown.min(MAX_BPS);
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
        self.before_cuts = self.before_cuts.max(self.bps);
        self.bps = bps.max(MIN_BPS);
        self.settle_until = Some(now + 2 * WINDOW);
    }
}
