//! Whether this machine has other addresses than before, or slept.

use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// The clock on the wall goes on during sleep, the monotonic one does not. It is also set by seconds.
const SLEPT: Duration = Duration::from_secs(3);

/// The addresses at the last look. Those who hold the other end see each change.
pub(super) struct Network {
    addresses: watch::Sender<Vec<IpAddr>>,
    at: Option<(Instant, SystemTime)>,
}

impl Network {
    pub(super) fn new(addresses: Vec<IpAddr>) -> Self {
        Self { addresses: watch::channel(addresses).0, at: None }
    }

    pub(super) fn addresses(&self) -> watch::Receiver<Vec<IpAddr>> {
        self.addresses.subscribe()
    }

    /// Returns whether connections may have to be made anew.
    pub(super) fn look(&mut self, now: Instant, date: SystemTime, found: Vec<IpAddr>) -> bool {
        let last = self.at.replace((now, date));
        let slept = last.is_some_and(|(then, at)| {
            let by_the_wall = date.duration_since(at).unwrap_or_default();
            by_the_wall.saturating_sub(now.saturating_duration_since(then)) >= SLEPT
        });
        self.addresses.send_if_modified(|known| {
            let is_another = *known != found;
            *known = found;
            is_another || slept
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn other_addresses_and_sleep_are_noticed_once() {
        let home: IpAddr = [192, 0, 2, 7].into();
        let phone: IpAddr = [198, 51, 100, 7].into();
        let (now, date) = (clock::now(), clock::date());
        let mut network = Network::new(vec![home]);
        let mut seen = network.addresses();
        let mut look = |seconds, slept, found: &[IpAddr]| {
            let passed = Duration::from_secs(seconds);
            let date = date + passed + Duration::from_secs(slept);
            let changed = network.look(now + passed, date, found.to_vec());
            assert_eq!(seen.has_changed().unwrap(), changed);
            seen.mark_unchanged();
            changed
        };
        assert!(!look(0, 0, &[home]));
        assert!(!look(1, 1, &[home]), "the clock was set by a second");
        assert!(look(2, 1, &[]));
        assert!(look(3, 1, &[phone]));
        assert!(!look(4, 1, &[phone]));
        assert!(look(5, 600, &[phone]), "it slept for ten minutes");
        assert!(!look(6, 600, &[phone]));
        assert!(!look(7, 0, &[phone]), "the clock was set back");
    }
}
