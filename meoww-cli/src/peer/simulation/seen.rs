//! What a person on one side of a simulated call would notice.

use std::time::Duration;

/// The call as a person on one side would notice it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// When pictures were shown, and how old they were.
    pub(super) shown: Vec<(Duration, Duration)>,
    pub(super) keys_asked: usize,
    pub(super) sound_sent: usize,
    /// Ages of the packets of sound that came.
    pub(super) sound: Vec<Duration>,
    /// When blocks of sound were made up, in part or as a whole.
    pub(super) concealed: Vec<Duration>,
    /// The sender's estimate, ten times a second.
    pub(super) estimates: Vec<(Duration, u32)>,
}

impl Seen {
    pub(super) fn fps(&self, from: Duration, until: Duration) -> f64 {
        let shown = self.shown.iter().filter(|(at, _)| (from..until).contains(at)).count();
        shown as f64 / (until - from).as_secs_f64()
    }

    pub(super) fn freeze(&self, from: Duration) -> Duration {
        let times = self.shown.iter().map(|(at, _)| *at).filter(|at| *at >= from);
        let times: Vec<_> = times.collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(Duration::MAX)
    }

    pub(super) fn age(&self, fraction: f64) -> Duration {
        percentile(self.shown.iter().map(|(_, age)| *age), fraction)
    }

    /// Part of the sound that came within so long.
    pub(super) fn sound_within(&self, age: Duration) -> f64 {
        self.sound.iter().filter(|came| **came <= age).count() as f64 / self.sound_sent as f64
    }

    pub(super) fn mean_estimate(&self, from: u64, until: u64) -> f64 {
        let time = Duration::from_secs(from)..Duration::from_secs(until);
        let of: Vec<_> = self.estimates.iter().filter(|(at, _)| time.contains(at)).collect();
        of.iter().map(|(_, bps)| f64::from(*bps)).sum::<f64>() / of.len() as f64
    }
}

pub(super) fn percentile(values: impl Iterator<Item = Duration>, fraction: f64) -> Duration {
    let mut values: Vec<_> = values.collect();
    values.sort();
    let rank = (fraction * values.len() as f64) as usize;
    values.get(rank.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}
