//! How often a client may ask. Both counters hold bounded memory and read no clock.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// So many requests in a window of so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that pass in one window.
    pub requests: u32,
    /// Length of the window, which starts at a client's first request.
    pub window: Duration,
}

/// Clients remembered at once; beyond it the oldest window is forgotten early.
const MAX_CLIENTS: usize = 100_000;

/// Counts requests by client address in fixed windows.
pub struct WindowLimiter {
    quota: Quota,
    windows: HashMap<IpAddr, Window>,
    /// The keys of `windows` by age: equal lengths make the oldest the first to end.
    by_age: VecDeque<IpAddr>,
}

struct Window {
    started: Instant,
    used: u32,
}

impl WindowLimiter {
    /// Starts with nobody counted.
    pub fn new(quota: Quota) -> Self {
        Self { quota, windows: HashMap::new(), by_age: VecDeque::new() }
    }

    /// Counts a request. An error carries how long until the client's next window.
    pub fn admit(&mut self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        self.forget_ended(now);
        let client = network_of(client);
        if !self.windows.contains_key(&client) {
            if self.by_age.len() >= MAX_CLIENTS {
                self.forget_oldest();
            }
            self.by_age.push_back(client);
        }
        let window = self.windows.entry(client).or_insert(Window { started: now, used: 0 });
        if window.used >= self.quota.requests {
            return Err(self.quota.window.saturating_sub(now.duration_since(window.started)));
        }
        window.used += 1;
        Ok(())
    }

    fn forget_ended(&mut self, now: Instant) {
        while let Some(oldest) = self.by_age.front().and_then(|key| self.windows.get(key)) {
            if now.duration_since(oldest.started) < self.quota.window {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(key) = self.by_age.pop_front() {
            self.windows.remove(&key);
        }
    }
}

/// One subscriber holds a whole IPv6 /64 (RFC 6177), so that is what is counted.
fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

/// Events a connection may send at once after it was quiet.
const BURST: f64 = 400.0;
/// Events a second it may send for long.
const RATE: f64 = 200.0;
/// Bytes of a relay that count as one event more. All that a full burst may carry then fits several
/// times into the queue of a partner, and what comes for long fits through a thin line: nobody gets
/// a partner cut for being slow.
const BYTES_PER_EVENT: usize = 512;
/// Least time between two complaints to one connection.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// It is within the rate.
    Pass,
    /// It is dropped, and the sender is told.
    DropAndTell,
    /// It is dropped; the sender was told a moment ago.
    Drop,
}

/// Events of one connection: a token bucket.
pub struct EventBucket {
    tokens: f64,
    filled: Instant,
    told: Option<Instant>,
}

impl EventBucket {
    /// Starts full.
    pub fn new(now: Instant) -> Self {
        Self { tokens: BURST, filled: now, told: None }
    }

    /// Counts an event.
    pub fn admit(&mut self, now: Instant) -> Allowance {
        let gained = now.duration_since(self.filled).as_secs_f64() * RATE;
        self.tokens = (self.tokens + gained).min(BURST);
        self.filled = now;
        self.take(1.0)
    }

    /// Counts what the event just admitted weighs, if it goes to somebody else.
    pub fn admit_bytes(&mut self, bytes: usize) -> Allowance {
        self.take((bytes / BYTES_PER_EVENT) as f64)
    }

    fn take(&mut self, tokens: f64) -> Allowance {
        let now = self.filled;
        if self.tokens >= tokens {
            self.tokens -= tokens;
            return Allowance::Pass;
        }
        if self.told.is_some_and(|told| now.duration_since(told) < COMPLAINT_INTERVAL) {
            return Allowance::Drop;
        }
        self.told = Some(now);
        Allowance::DropAndTell
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUOTA: Quota = Quota { requests: 3, window: Duration::from_secs(60) };

    #[test]
    fn a_refusal_says_how_long_to_wait() {
        let (start, client) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        let mut limiter = WindowLimiter::new(QUOTA);
        for _ in 0..3 {
            assert_eq!(limiter.admit(client, start), Ok(()));
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(limiter.admit(client, later), Err(Duration::from_secs(40)));
        assert_eq!(limiter.admit(IpAddr::from([192, 0, 2, 2]), later), Ok(()));
        assert_eq!(limiter.admit(client, start + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn neighbours_in_one_ipv6_network_count_together() {
        let mut limiter = WindowLimiter::new(Quota { requests: 1, ..QUOTA });
        let now = Instant::now();
        let [first, second, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|text| text.parse::<IpAddr>().expect("an address"));
        assert!(limiter.admit(first, now).is_ok());
        assert!(limiter.admit(second, now).is_err());
        assert!(limiter.admit(other, now).is_ok());
        let mapped = "::ffff:192.0.2.1".parse::<IpAddr>().expect("an address");
        assert!(limiter.admit(mapped, now).is_ok());
        assert!(limiter.admit(IpAddr::from([192, 0, 2, 1]), now).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let mut limiter = WindowLimiter::new(QUOTA);
        let now = Instant::now();
        for n in 0..MAX_CLIENTS as u32 + 10 {
            assert!(limiter.admit(IpAddr::from(n.to_be_bytes()), now).is_ok());
        }
        assert_eq!(limiter.windows.len(), MAX_CLIENTS);
        assert_eq!(limiter.by_age.len(), MAX_CLIENTS);
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_its_quota(
            steps in prop::collection::vec((0u8..4, 0u64..40), 1..200)
        ) {
            let mut limiter = WindowLimiter::new(QUOTA);
            let mut now = Instant::now();
            let mut admitted = Vec::new();
            for (client, seconds) in steps {
                now += Duration::from_secs(seconds);
                if limiter.admit(IpAddr::from([10, 0, 0, client]), now).is_ok() {
                    admitted.push((client, now));
                }
                // Two fixed windows meet in any stretch of one window's length.
                let recent = admitted.iter().filter(|(c, at)| {
                    *c == client && now.duration_since(*at) < QUOTA.window
                });
                prop_assert!(recent.count() <= 2 * QUOTA.requests as usize);
            }
        }

        #[test]
        fn a_bucket_never_passes_more_than_burst_and_rate(
            gaps in prop::collection::vec(0u64..20, 1..2000)
        ) {
            let start = Instant::now();
            let mut bucket = EventBucket::new(start);
            let (mut now, mut passed, mut told) = (start, 0, 0);
            for gap in gaps {
                now += Duration::from_millis(gap);
                match bucket.admit(now) {
                    Allowance::Pass => passed += 1,
                    Allowance::DropAndTell => told += 1,
                    Allowance::Drop => {}
                }
            }
            let seconds = now.duration_since(start).as_secs_f64();
            prop_assert!(f64::from(passed) <= BURST + RATE * seconds + 1e-6);
            prop_assert!(f64::from(told) <= seconds + 1.0);
        }
    }

    #[test]
    fn a_burst_of_large_relays_is_a_small_one() {
        let now = Instant::now();
        for bytes in [1, 511, 512, 4096, 48 * 1024] {
            let mut bucket = EventBucket::new(now);
            let passes = |_: &i32| {
                bucket.admit(now) == Allowance::Pass && bucket.admit_bytes(bytes) == Allowance::Pass
            };
            let passed = (0..500).filter(passes).count();
            assert!(passed >= 4, "{bytes}: no offer is too much");
            assert!(passed * bytes <= 256 * 1024, "{bytes}: {passed}");
        }
    }

    #[test]
    fn a_flood_is_dropped_and_told_once_a_second() {
        let now = Instant::now();
        let mut bucket = EventBucket::new(now);
        let verdicts: Vec<_> = (0..500).map(|_| bucket.admit(now)).collect();
        let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        assert_eq!(count(Allowance::Pass), 400);
        assert_eq!(count(Allowance::DropAndTell), 1);
        assert_eq!(bucket.admit(now + Duration::from_secs(1)), Allowance::Pass);
    }
}
