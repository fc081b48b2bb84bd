//! Networks with a name.

use std::time::Duration;

use super::{
    Way,
    link::{Bursts, Conditions},
};

/// Conditions in force from a time on; the first is from the beginning.
type Steps = &'static [(Duration, Conditions)];

/// A network by name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// As `--net` takes it.
    pub name: &'static str,
    /// The fault of the network, for people.
    pub about: &'static str,
    there: Track,
    back: Track,
    /// Both directions share one bottleneck with each other and with a TCP download.
    pub shared: bool,
}

/// One direction in the course of time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Track {
    Steady(Conditions),
    Steps(Steps),
}

const NEAR: Conditions = Conditions::after(Duration::from_millis(40));
const FAR: Conditions = Conditions::after(Duration::from_millis(150));

const fn lossy(loss: f64) -> Conditions {
    Conditions { loss, ..NEAR }
}

const fn narrow(kbps: u32) -> Conditions {
    Conditions { rate: Some(kbps * 1000), queue: Duration::from_millis(200), ..NEAR }
}

/// With a queue that holds more than it should, as those of modems do.
const fn bloated(kbps: u32) -> Conditions {
    Conditions { queue: Duration::from_secs(1), ..narrow(kbps) }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const STEP: Steps =
    &[(secs(0), bloated(2000)), (secs(10), bloated(200)), (secs(20), bloated(2000))];
const OUTAGE: Steps = &[(secs(0), NEAR), (secs(5), lossy(1.0)), (secs(10), NEAR)];
const BURSTS: Conditions = Conditions { bursts: Some(Bursts { packets: 8, share: 0.02 }), ..NEAR };
const WIFI: Conditions = Conditions {
    loss: 0.005,
    jitter: Duration::from_millis(30),
    reorder: 0.01,
    duplicate: 0.005,
    ..NEAR
};

const fn both(name: &'static str, about: &'static str, conditions: Conditions) -> Profile {
    let track = Track::Steady(conditions);
    Profile { name, about, there: track, back: track, shared: false }
}

const fn steps(name: &'static str, about: &'static str, steps: Steps) -> Profile {
    let track = Track::Steps(steps);
    Profile { name, about, there: track, back: track, shared: false }
}

/// All of them.
pub const PROFILES: &[Profile] = &[
    both("near", "40 ms each way, as all that say nothing else", NEAR),
    both("loss-1", "1 % of packets lost", lossy(0.01)),
    both("loss-5", "5 % of packets lost", lossy(0.05)),
    both("loss-10", "10 % of packets lost", lossy(0.10)),
    both("bursts", "2 % of packets lost, always 8 together", BURSTS),
    both("wifi", "jitter of 30 ms, some packets lost, overtaken or doubled", WIFI),
    both("rate-100", "100 kbit/s with a queue of 200 ms", narrow(100)),
    both("rate-300", "300 kbit/s with a queue of 200 ms", narrow(300)),
    both("rate-1000", "1 Mbit/s with a queue of 200 ms", narrow(1000)),
    Profile {
        name: "uplink",
        about: "256 kbit/s one way and 2 Mbit/s the other, queues of 200 ms",
        there: Track::Steady(narrow(256)),
        back: Track::Steady(narrow(2000)),
        shared: false,
    },
    steps("step", "2 Mbit/s, from 10 s on 200 kbit/s, from 20 s on 2 Mbit/s; queue of 1 s", STEP),
    both("far", "150 ms each way, 3 % of packets lost", Conditions { loss: 0.03, ..FAR }),
    steps("outage", "nothing passes from 5 s to 10 s", OUTAGE),
    Profile {
        shared: true,
        ..both("shared", "1 Mbit/s for both ways and a TCP download together", narrow(1000))
    },
];

impl Profile {
    /// A network without a name, the same both ways and at all times.
    pub const fn steady(conditions: Conditions) -> Self {
        both("", "", conditions)
    }

    /// `None` when there is no such profile.
    pub fn named(name: &str) -> Option<Self> {
        PROFILES.iter().find(|profile| profile.name == name).copied()
    }

    /// Returns the behaviour that holds in a direction at a time.
    pub fn at(&self, way: Way, at: Duration) -> Conditions {
        let track = match way {
            Way::There => self.there,
            Way::Back => self.back,
        };
        match track {
            Track::Steady(conditions) => conditions,
            Track::Steps(steps) => steps[steps.partition_point(|(from, _)| *from <= at) - 1].1,
        }
    }

    /// How long a call takes until all of it has been met.
    pub fn length(&self) -> Duration {
        let after = |steps: Steps| steps.last().map_or(Duration::ZERO, |(from, _)| *from);
        let changed = match self.there {
            Track::Steady(_) => Duration::ZERO,
            Track::Steps(steps) => after(steps),
        };
        let settled = if self.shared { secs(30) } else { secs(10) };
        changed + settled
    }

    /// When nothing passes any more, and when all does again.
    pub fn outage(&self) -> Option<(Duration, Duration)> {
        let Track::Steps([_, (from, dead), (until, _)]) = self.there else {
            return None;
        };
        (dead.loss >= 1.0).then_some((*from, *until))
    }

    /// When the rate falls, and when it rises again.
    pub fn dip(&self) -> Option<(Duration, Duration)> {
        let Track::Steps([(_, before), (fall, narrow), (rise, _)]) = self.there else {
            return None;
        };
        (narrow.rate < before.rate).then_some((*fall, *rise))
    }
}
