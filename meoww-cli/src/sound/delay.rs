//! How long packets wait to be played: long enough for nearly all to be there in time.

use std::collections::VecDeque;

/// Seconds that packets wait, at least and at most.
pub(crate) const MIN_TARGET: f64 = 0.040;
pub(crate) const MAX_TARGET: f64 = 0.200;

/// Packets that are judged together, and those that must be in time of them: 10 s, and 97 %.
const WINDOW: usize = 500;
const IN_TIME: f64 = 0.97;
/// Between two judgements, in packets; one that is too late for the target is judged at once.
const INTERVAL: usize = 5;
/// On top of the jitter, in seconds: blocks of 10 ms are played at once.
const MARGIN: f64 = 0.010;
/// A frame waits for the next one, which repeats it, where more than this share is lost.
const FEC_LOSS: f64 = 0.01;
const FEC_WAIT: f64 = 0.020;
/// The weight of a packet in the loss, for each packet that follows: half of it after 7 s.
const MEMORY: f64 = 0.998;
/// Packets lost in a row that count: after an outage, the path may well be good.
const MAX_BURST: i32 = 5;
/// The most that the target falls at one judgement (100 ms), in seconds.
const FALL: f64 = 0.002;

/// The delay to be aimed at, from how packets of late were delayed.
#[derive(Debug)]
pub(crate) struct DelayTarget {
    /// Of each packet, seconds behind one that nothing delays.
    lateness: VecDeque<f64>,
    /// Packets lost and sent, of late.
    lost: f64,
    sent: f64,
    observed: usize,
    target: f64,
}

impl Default for DelayTarget {
    fn default() -> Self {
        let lateness = VecDeque::new();
        Self { lateness, lost: 0.0, sent: 0.0, observed: 0, target: MIN_TARGET }
    }
}

impl DelayTarget {
    /// Takes a packet that came so many seconds behind one that nothing delays. `lost` packets are
    /// missing before it; -1 where it is itself one that was missing.
    pub(crate) fn observe(&mut self, lateness: f64, lost: i32) {
        self.lateness.push_back(lateness.clamp(0.0, 1.0));
        if self.lateness.len() > WINDOW {
            self.lateness.pop_front();
        }
        let lost = f64::from(lost.min(MAX_BURST));
        self.lost = (self.lost * MEMORY + lost).max(0.0);
        self.sent = self.sent * MEMORY + lost + 1.0;
        self.observed += 1;
        // A queue that grows delays each packet more than the one before.
        if lateness > self.target || self.observed.is_multiple_of(INTERVAL) {
            self.judge();
        }
    }

    /// Seconds that packets should wait.
    pub(crate) fn seconds(&self) -> f64 {
        self.target
    }

    fn judge(&mut self) {
        let mut sorted: Vec<f64> = self.lateness.iter().copied().collect();
        let rank = (sorted.len() as f64 * IN_TIME) as usize;
        let rank = rank.min(sorted.len().saturating_sub(1));
        let (_, jitter, _) = sorted.select_nth_unstable_by(rank, f64::total_cmp);
        let fec = if self.lost > FEC_LOSS * self.sent { FEC_WAIT } else { 0.0 };
        let wanted = (*jitter + MARGIN + fec).clamp(MIN_TARGET, MAX_TARGET);
        self.target = wanted.max(self.target - FALL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(packets: impl IntoIterator<Item = (f64, i32)>) -> f64 {
        let mut delay = DelayTarget::default();
        packets.into_iter().for_each(|(lateness, lost)| delay.observe(lateness, lost));
        delay.seconds()
    }

    #[test]
    fn an_even_path_waits_the_least() {
        assert_eq!(target([]), MIN_TARGET);
        assert_eq!(target([(0.001, 0); 600]), MIN_TARGET);
    }

    #[test]
    fn it_follows_the_97th_percentile_between_its_bounds() {
        // 0 to 99 ms evenly: 97 % are below 97 ms.
        let even = (0..500).map(|at| (f64::from(at * 37 % 100) / 1000.0, 0));
        assert!((target(even) - 0.107).abs() < 0.0015);
        let rare = (0..500).map(|at| (if at % 50 == 0 { 0.5 } else { 0.0 }, 0));
        assert_eq!(target(rare), MIN_TARGET, "2 % are too rare to wait for");
        assert_eq!(target([(f64::INFINITY, 0); 50]), MAX_TARGET);
    }

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let mut delay = DelayTarget::default();
        (0..5).for_each(|_| delay.observe(0.1, 0));
        assert!((delay.seconds() - 0.11).abs() < 1e-9);
        (0..100).for_each(|_| delay.observe(0.0, 0));
        assert!((delay.seconds() - 0.11).abs() < 1e-9, "5 of 105 are more than 3 %");
        (0..100).for_each(|_| delay.observe(0.0, 0));
        assert!(delay.seconds() > 0.08, "{}", delay.seconds());
        (0..200).for_each(|_| delay.observe(0.0, 0));
        assert_eq!(delay.seconds(), MIN_TARGET);
    }

    #[test]
    fn with_loss_a_frame_waits_for_the_next_one() {
        let lossy = (0..500).map(|at| (0.02, i32::from(at % 20 == 0)));
        assert!((target(lossy) - 0.05).abs() < 1e-9);
    }
}
