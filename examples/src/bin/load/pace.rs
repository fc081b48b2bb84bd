//! A schedule that does not wait for anybody. What is late is sent late and counted from when it
//! was due, so that a server that stalls cannot hide it by holding up whoever measures ("coordinated
//! omission", G. Tene).

use std::{
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use mio::Waker;

use crate::clock;

/// Finer steps would cost more than the sending. Rates above two a step go out in bursts.
const STEP: Duration = Duration::from_micros(500);

/// When things are due, at a steady rate from a start on.
pub(crate) struct Pace {
    start: Instant,
    rate: f64,
    step: Duration,
    done: u64,
    /// While it lives, the thread that keeps the time does.
    _alive: Arc<()>,
}

impl Pace {
    /// `rate` a second, beginning now; the poll of `waker` returns in time for each.
    pub(crate) fn start(rate: f64, waker: Arc<Waker>) -> Self {
        let step = Duration::from_secs_f64(1.0 / rate).max(STEP);
        let (start, alive) = (clock(), Arc::new(()));
        let watch = Arc::downgrade(&alive);
        thread::spawn(move || keep_time(start, step, &waker, &watch));
        Self { start, rate, step, done: 0, _alive: alive }
    }

    /// When the next was due, if it was.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let at = self.start + due_after(self.done, self.rate, self.step);
        (at <= now).then_some(at)
    }

    /// The next was done.
    pub(crate) fn done(&mut self) {
        self.done += 1;
    }
}

/// On the grid of steps, as nothing is sent in between.
fn due_after(number: u64, rate: f64, step: Duration) -> Duration {
    let steps = number as f64 / rate / step.as_secs_f64();
    step.mul_f64((steps - 1e-6).max(0.0).ceil())
}

fn keep_time(start: Instant, step: Duration, waker: &Waker, alive: &Weak<()>) {
    let mut next = start;
    while alive.strong_count() > 0 {
        let now = clock();
        while next <= now {
            next += step;
        }
        thread::sleep(next - now);
        if waker.wake().is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_rate_is_due_one_by_one_and_a_fast_one_in_bursts() {
        let due = |number, rate: f64| {
            due_after(number, rate, Duration::from_secs_f64(1.0 / rate).max(STEP)).as_micros()
        };
        assert_eq!([0, 1, 2].map(|n| due(n, 10.0)), [0, 100_000, 200_000]);
        assert_eq!([0, 1, 2, 3, 4, 8].map(|n| due(n, 8000.0)), [0, 500, 500, 500, 500, 1000]);
        assert_eq!(due(80_000, 8000.0), 10_000_000);
    }
}
