//! How many bytes may be under way to a terminal, and how many it draws in a second.
//!
//! As many as it draws in the time an answer takes, and [`QUEUE`] more: then it is never idle, and
//! what is sent next is drawn soon. The window follows the delay as in FAST TCP (Wei, Jin, Low and
//! Hegde, "FAST TCP: Motivation, Architecture, Algorithms, Performance", IEEE/ACM Transactions on
//! Networking 14(6), 2006): it becomes its size by wanted delay over delay, once each time around.

use std::time::Duration;

/// How long bytes may wait at the terminal behind others.
const QUEUE: Duration = Duration::from_millis(25);
/// Sizes in bytes: a terminal at 9600 baud takes a second for the least.
const MIN: usize = 1024;
const MAX: usize = 4 << 20;
const START: usize = 16 << 10;
/// So many pieces fill the window.
const PIECES: usize = 8;
/// The least delay is measured anew after so long, as what is on the way may change.
const BASE_AFTER: Duration = Duration::from_secs(10);
/// What is sent to measure it, at most.
const MEASURE: usize = 256;
/// The rate is of once or twice this time.
const RATE_OVER: Duration = Duration::from_millis(100);
/// Of less time, there is no rate.
const RATE_FROM: Duration = Duration::from_millis(20);

/// Something was drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// How large it was.
    pub(super) bytes: usize,
    /// When it was sent, and how many bytes were under way then, with it.
    pub(super) sent: Duration,
    pub(super) under_way: usize,
}

#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// The least delay lately, and when it was measured.
    base: Option<(Duration, Duration)>,
    /// When the size was last changed: what was sent before says nothing about it.
    changed: Duration,
    /// When the last sample came.
    last: Duration,
    /// Bytes drawn, and the time it took, while others waited: now, and before.
    busy: [(usize, Duration); 2],
}

impl Default for Window {
    fn default() -> Self {
        let zero = Duration::ZERO;
        Self { size: START, base: None, changed: zero, last: zero, busy: [(0, zero); 2] }
    }
}

impl Window {
    /// How many bytes may be sent at once, when so many are under way. None until there is room for a
    /// whole piece: small ones, of which each has its question, would take all the places there are
    /// (the silly window syndrome, RFC 1122, section 4.2.3.4).
    pub(super) fn room(&self, under_way: usize, now: Duration) -> usize {
        match (self.is_base_old(now), under_way) {
            // Alone, to see how long an answer takes when nothing waits.
            (true, 0) => MEASURE,
            (true, _) => 0,
            (false, _) => {
                let room = self.size.saturating_sub(under_way);
                if room < self.piece() { 0 } else { self.piece() }
            }
        }
    }

    /// How long an answer takes at least.
    pub(super) fn base(&self) -> Duration {
        self.base.map_or(Duration::ZERO, |(base, _)| base)
    }

    /// The piece that is sent at once. Of a few, one is always under way while another is answered
    /// for.
    fn piece(&self) -> usize {
        (self.size / PIECES).max(MIN).min(self.size / 2)
    }

    /// Bytes a second that the terminal draws; `None` where it always drew faster than it was sent.
    pub(super) fn rate(&self) -> Option<f64> {
        let [now, before] = self.busy;
        let (bytes, time) = (now.0 + before.0, now.1 + before.1);
        (time >= RATE_FROM).then(|| bytes as f64 / time.as_secs_f64())
    }

    /// Takes up that something was drawn.
    pub(super) fn drawn(&mut self, sample: Sample, now: Duration) {
        let delay = now.saturating_sub(sample.sent);
        let is_alone = sample.under_way == sample.bytes;
        let is_better = self.base.is_some_and(|(base, _)| delay <= base);
        if is_better || is_alone && self.is_base_old(now) {
            self.base = Some((delay, now));
        }
        if sample.sent < self.last {
            self.add_busy(sample.bytes, now - self.last);
        }
        self.last = now;
        self.resize(sample, delay, now);
    }

    fn resize(&mut self, sample: Sample, delay: Duration, now: Duration) {
        let Some((base, _)) = self.base else { return };
        let wanted = base + QUEUE;
        // What does not fill the window does not show that it is too small.
        let is_tried = sample.under_way + self.piece() > self.size || delay > wanted;
        if sample.sent < self.changed || !is_tried {
            return;
        }
        // Where nearly nothing waits, the delay is that of the way and does not say how much may.
        let is_idle = delay < base + QUEUE / 2;
        let factor = wanted.as_secs_f64() / delay.as_secs_f64().max(1e-6);
        let factor = if is_idle { 2.0 } else { factor };
        let size = (self.size as f64 * factor.clamp(0.5, 2.0)) as usize;
        (self.size, self.changed) = (size.clamp(MIN, MAX), now);
    }

    fn add_busy(&mut self, bytes: usize, time: Duration) {
        let [now, before] = &mut self.busy;
        *now = (now.0 + bytes, now.1 + time);
        if now.1 > RATE_OVER {
            *before = std::mem::take(now);
        }
    }

    fn is_base_old(&self, now: Duration) -> bool {
        self.base.is_none_or(|(_, at)| now.saturating_sub(at) > BASE_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A terminal that draws so many bytes a second, and whose answers take so long on the way.
    struct Slow {
        rate: f64,
        way: Duration,
        /// When it will have drawn all.
        idle_at: Duration,
        now: Duration,
        pieces: VecDeque<(Sample, Duration)>,
        /// The longest that a piece sent in the last second of the run was under way.
        delays: Vec<Duration>,
    }

    impl Slow {
        fn new(rate: f64, way: Duration) -> Self {
            let (idle_at, now) = (Duration::ZERO, Duration::ZERO);
            Self { rate, way, idle_at, now, pieces: VecDeque::new(), delays: Vec::new() }
        }

        /// Sends as much as may be sent for so long; returns how many bytes were drawn.
        fn run(&mut self, window: &mut Window, time: Duration) -> usize {
            let (end, mut drawn) = (self.now + time, 0);
            self.delays.clear();
            while self.now < end {
                loop {
                    let under_way: usize = self.pieces.iter().map(|(piece, _)| piece.bytes).sum();
                    let bytes = window.room(under_way, self.now);
                    if bytes == 0 {
                        break;
                    }
                    let took = Duration::from_secs_f64(bytes as f64 / self.rate);
                    self.idle_at = self.idle_at.max(self.now + self.way / 2) + took;
                    let under_way = under_way + bytes;
                    let sample = Sample { bytes, sent: self.now, under_way };
                    self.pieces.push_back((sample, self.idle_at + self.way / 2));
                }
                let (sample, answered) = self.pieces.pop_front().expect("something is under way");
                self.now = answered;
                window.drawn(sample, self.now);
                drawn += sample.bytes;
                self.delays.push(self.now - sample.sent);
            }
            drawn
        }
    }

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_slow_terminal_is_busy_and_nothing_waits_long() {
        let (mut window, mut slow) = (Window::default(), Slow::new(300e3, MS));
        slow.run(&mut window, SECOND);
        let drawn = slow.run(&mut window, SECOND);
        assert!(drawn > 285_000, "{drawn} of 300000");
        assert!(slow.delays.iter().max().unwrap() < &(35 * MS), "{:?}", slow.delays.iter().max());
        let rate = window.rate().unwrap();
        assert!((290e3..310e3).contains(&rate), "{rate}");
    }

    #[test]
    fn the_least_delay_does_not_creep_up_in_a_minute() {
        let (mut window, mut slow) = (Window::default(), Slow::new(300e3, 20 * MS));
        slow.run(&mut window, 60 * SECOND);
        let drawn = slow.run(&mut window, 20 * SECOND);
        assert!(drawn > 5_600_000, "{drawn} of 6000000");
        // The window is sent at once after the measurement: 20 ms of the way, and 45 of it.
        assert!(slow.delays.iter().max().unwrap() < &(70 * MS), "{:?}", slow.delays.iter().max());
    }

    #[test]
    fn a_fast_terminal_far_away_is_given_all_it_takes() {
        let (mut window, mut far) = (Window::default(), Slow::new(20e6, 100 * MS));
        far.run(&mut window, 3 * SECOND);
        let drawn = far.run(&mut window, SECOND);
        assert!(drawn > 15_000_000, "{drawn} of 20000000");
    }

    #[test]
    fn a_terminal_that_becomes_slow_is_noticed_in_a_second() {
        let (mut window, mut terminal) = (Window::default(), Slow::new(3e6, MS));
        terminal.run(&mut window, SECOND);
        terminal.rate = 300e3;
        terminal.run(&mut window, SECOND);
        terminal.run(&mut window, SECOND);
        let longest = terminal.delays.iter().max().unwrap();
        assert!(longest < &(40 * MS), "{longest:?}");
        assert!(window.rate().unwrap() < 310e3);
    }

    /// As of a picture that is sent byte by byte as the terminal makes room.
    #[test]
    fn no_piece_is_small() {
        let (mut window, mut slow) = (Window::default(), Slow::new(300e3, MS));
        slow.run(&mut window, SECOND);
        let piece = window.piece();
        assert!(piece >= MIN);
        for under_way in 0..2 * window.size {
            let room = window.room(under_way, slow.now);
            assert!(room == 0 || room == piece && under_way + room <= window.size);
        }
    }

    #[test]
    fn what_does_not_fill_the_window_does_not_enlarge_it() {
        let mut window = Window::default();
        for second in 1..100u64 {
            let sent = Duration::from_secs(second);
            window.drawn(Sample { bytes: 100, sent, under_way: 100 }, sent + MS);
        }
        assert_eq!(window.size, START);
        assert_eq!(window.rate(), None);
    }

    proptest! {
        #[test]
        fn any_terminal_gets_something(rate in 500f64..1e9, way in 0u64..2000) {
            let (mut window, mut terminal) = (Window::default(), Slow::new(rate, way as u32 * MS));
            let drawn = terminal.run(&mut window, 60 * SECOND);
            prop_assert!(drawn > 0 && (MIN..=MAX).contains(&window.size));
        }
    }
}
