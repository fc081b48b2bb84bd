//! How often a client may ask. Both counters hold bounded memory and read no clock.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use meoww_proto::UserId;

/// So many requests in a window of so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that pass in one window.
    pub requests: u32,
    /// Length of the window, which starts at a client's first request.
    pub window: Duration,
}

/// Keys remembered at once; beyond it the oldest window is forgotten early.
const MAX_KEYS: usize = 100_000;

/// Counts by key (a client's network, an account, an address) in fixed windows.
pub struct WindowLimiter<K> {
    quota: Quota,
    windows: HashMap<K, Window>,
    /// The keys of `windows` by age: equal lengths make the oldest the first to end.
    by_age: VecDeque<K>,
}

struct Window {
    started: Instant,
    used: u32,
}

/// Where a key stands after it was counted, or was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// What it is measured by.
    pub quota: Quota,
    /// How many more pass in this window.
    pub remaining: u32,
    /// When the next window may begin.
    pub ends: Instant,
}

impl RateLimitStatus {
    /// How long until the next window.
    pub fn reset(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }
}

impl<K: Clone + Eq + Hash> WindowLimiter<K> {
    /// Starts with nobody counted.
    pub fn new(quota: Quota) -> Self {
        Self { quota, windows: HashMap::new(), by_age: VecDeque::new() }
    }

    /// What it measures by.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Counts one for `key`; an error if it is one too many.
    pub fn admit(&mut self, key: K, now: Instant) -> Result<RateLimitStatus, RateLimitStatus> {
        self.forget_ended(now);
        if !self.windows.contains_key(&key) {
            if self.by_age.len() >= MAX_KEYS {
                self.forget_oldest();
            }
            self.by_age.push_back(key.clone());
        }
        let window = self.windows.entry(key).or_insert(Window { started: now, used: 0 });
        let admitted = window.used < self.quota.requests;
        window.used += u32::from(admitted);
        let remaining = self.quota.requests - window.used;
        let ends = window.started + self.quota.window;
        let status = RateLimitStatus { quota: self.quota, remaining, ends };
        if admitted { Ok(status) } else { Err(status) }
    }

    /// Takes back what was counted as `counted`, unless that window is over. Counting first and
    /// taking back is what keeps many at once from passing before the first of them has failed.
    pub fn forgive(&mut self, key: &K, counted: RateLimitStatus) -> RateLimitStatus {
        match self.windows.get_mut(key) {
            Some(window) if window.started + self.quota.window == counted.ends => {
                window.used = window.used.saturating_sub(1);
                RateLimitStatus { remaining: self.quota.requests - window.used, ..counted }
            }
            Some(_) | None => counted,
        }
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

/// By whom requests are counted: by the network they come from, unless they show whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A stranger's.
    Network(Network),
    /// Of one account, by any of its sessions and devices: neighbours do not use up its share.
    Account(UserId),
}

/// A client's network, as it is counted: one subscriber holds a whole IPv6 /64 (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of a client.
    pub fn of(client: IpAddr) -> Self {
        Self(match client.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
        })
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
mod tests;
