//! Limits of what a partner may send, and the end of the call for one who sends more.
//!
//! Each bound is some times what any camera, microphone or program of good will sends, over some
//! seconds, so that only abuse meets it.

use std::time::Instant;

/// Amounts a second, and so many seconds of them at once (a token bucket).
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    a_second: f64,
    most: f64,
    left: f64,
    at: Option<Instant>,
}

impl Budget {
    pub(super) fn new(a_second: f64, seconds: f64) -> Self {
        let most = a_second * seconds;
        Self { a_second, most, left: most, at: None }
    }

    /// Takes an amount; `false` when there is not so much left.
    pub(super) fn take(&mut self, now: Instant, amount: f64) -> bool {
        let last = self.at.replace(now).unwrap_or(now);
        let since = now.saturating_duration_since(last).as_secs_f64();
        self.left = (self.left + since * self.a_second).min(self.most);
        let is_enough = amount <= self.left;
        if is_enough {
            self.left -= amount;
        }
        is_enough
    }
}

/// Pictures: twice those of a fast camera, pixels of twice the largest screen, and new sizes as often as
/// somebody drags the edge of a window.
#[derive(Debug)]
pub(super) struct Pictures {
    pictures: Budget,
    pixels: Budget,
    sizes: Budget,
    size: Option<(usize, usize)>,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            pictures: Budget::new(120.0, 3.0),
            pixels: Budget::new(1920.0 * 1080.0 * 60.0, 3.0),
            sizes: Budget::new(4.0, 10.0),
            size: None,
        }
    }
}

impl Pictures {
    /// Whether one more picture, which is not decoded yet, is within what a partner may send.
    pub(super) fn take_one(&mut self, now: Instant) -> bool {
        self.pictures.take(now, 1.0)
    }

    /// Whether its size is, once it is known.
    pub(super) fn take_size(&mut self, now: Instant, size: (usize, usize)) -> bool {
        let is_new = self.size.replace(size) != Some(size);
        self.pixels.take(now, size.0 as f64 * size.1 as f64)
            && (!is_new || self.sizes.take(now, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    /// How many of so many pictures in each second are within the budget until one is not.
    fn until_refused(
        a_second: u32,
        seconds: u32,
        size: impl Fn(u32) -> (usize, usize),
    ) -> Option<u32> {
        let (mut pictures, start) = (Pictures::default(), clock::now());
        let gap = Duration::from_secs(1) / a_second;
        (0..a_second * seconds).find(|n| {
            let now = start + gap * *n;
            !(pictures.take_one(now) && pictures.take_size(now, size(*n)))
        })
    }

    #[test]
    fn what_cameras_and_windows_do_is_allowed() {
        assert_eq!(until_refused(60, 60, |_| (1920, 1080)), None);
        assert_eq!(until_refused(120, 60, |_| (1280, 720)), None);
        // An edge is dragged for four seconds of each twenty; five sizes a second are sent.
        let dragged = |n: u32| (320 + if n / 30 % 20 < 4 { 2 * (n as usize / 6) } else { 0 }, 240);
        assert_eq!(until_refused(30, 60, dragged), None);
    }

    #[test]
    fn two_hundred_sizes_a_second_are_not() {
        // Forty at once, four more a second.
        let refused = until_refused(200, 5, |n| (320 + 16 * (n as usize % 2), 240)).unwrap();
        assert!((40..=42).contains(&refused), "{refused}");
        assert!(until_refused(300, 5, |_| (320, 240)).is_some());
        assert!(until_refused(60, 5, |_| (2560, 1440)).is_none_or(|n| n > 60 * 3));
    }

    proptest! {
        #[test]
        fn never_more_than_the_budget(takes in prop::collection::vec((0u64..100, 0.0..50.0), 1..300)) {
            let (mut budget, start) = (Budget::new(100.0, 2.0), clock::now());
            let (mut taken, mut passed) = (0.0, Duration::ZERO);
            for (wait, amount) in takes {
                passed += Duration::from_millis(wait);
                taken += if budget.take(start + passed, amount) { amount } else { 0.0 };
                prop_assert!(taken <= 200.0 + 100.0 * passed.as_secs_f64() + 1e-6);
            }
        }
    }
}
