//! Paths in virtual time, and reports of any kind.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    aimd::{Estimator, LOSS_NOISE, MAX_BPS, MIN_BPS, START_BPS},
    window::{Fate, carried, certain, faster, without_lost_reports},
};
use crate::clock;

const PACKET: usize = 1_000;
const STEP: Duration = Duration::from_millis(10);

/// A path in virtual time: a queue of 400 ms before a link, and random loss after it.
struct Path {
    estimator: Estimator,
    now: Instant,
    /// Seconds that packets of others take to pass first.
    others_queue: f64,
    /// When the link is free again, in seconds; and the time, in the same.
    free: f64,
    time: f64,
    owed: f64,
    fates: Vec<Fate>,
    dice: u32,
}

impl Path {
    fn new() -> Self {
        let estimator = Estimator::new(START_BPS);
        let (now, fates) = (clock::now(), Vec::new());
        Self { estimator, now, others_queue: 0.0, free: 0.0, time: 0.0, owed: 0.0, fates, dice: 1 }
    }

    /// Sends at the estimate, up to `wanted`, over a link of `rate` for `seconds`; returns the
    /// mean estimate of the second half, and the share of packets that arrived in it.
    fn run(&mut self, seconds: f64, rate: f64, wanted: f64, loss: f64) -> (f64, f64) {
        let steps = (seconds / STEP.as_secs_f64()) as usize;
        let (mut sum, mut sent, mut arrived) = (0.0, 0, 0);
        for step in 0..steps {
            self.now += STEP;
            self.time += STEP.as_secs_f64();
            self.owed += self.estimator.bps().min(wanted) * STEP.as_secs_f64() / 8.0;
            while self.owed >= PACKET as f64 {
                self.owed -= PACKET as f64;
                let delay = self.send(rate).filter(|_| !self.roll(loss));
                if step > steps / 2 {
                    sent += 1;
                    arrived += usize::from(delay.is_some());
                }
                self.fates.push(Fate { bytes: PACKET, departed: self.time, delay });
            }
            if step % 10 == 0 {
                self.estimator.report(self.now, std::mem::take(&mut self.fates).into_iter());
            }
            sum += if step > steps / 2 { self.estimator.bps() } else { 0.0 };
        }
        (sum / (steps as f64 / 2.0), arrived as f64 / f64::from(sent.max(1)))
    }

    fn send(&mut self, rate: f64) -> Option<f64> {
        self.free = self.free.max(self.time + self.others_queue);
        if self.free - self.time > 0.4 {
            return None;
        }
        self.free += PACKET as f64 * 8.0 / rate;
        Some(self.free - self.time + 0.04)
    }

    fn roll(&mut self, chance: f64) -> bool {
        self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.dice >> 8) / f64::from(1 << 24) < chance
    }
}

#[test]
fn a_report_that_was_lost_is_no_loss_of_packets() {
    let fate = |ms: u32, arrived: bool| Fate {
        bytes: PACKET,
        departed: f64::from(ms) / 1e3,
        delay: arrived.then_some(0.04),
    };
    // A report of 100 ms is missing; then one packet of five is lost.
    let lost = (0..5).map(|n| fate(n * 20, false));
    let told = (5..10).map(|n| fate(n * 20, n != 7));
    let kept = without_lost_reports(lost.clone().chain(told.clone()).collect());
    assert_eq!(kept, told.collect::<Vec<_>>());
    // Where nothing arrives at all, they are lost.
    assert_eq!(without_lost_reports(lost.clone().collect()), lost.collect::<Vec<_>>());
}

/// Sent at 800 kbit/s, and from then on carried at 200.
#[test]
fn a_queue_tells_how_fast_it_is_emptied() {
    let before = (0..10).map(|n| (f64::from(n) * 0.01, 0.04));
    let after = (10..16).map(|n| (f64::from(n) * 0.01, 0.04 + f64::from(n - 9) * 0.03));
    let fate = |(departed, delay)| Fate { bytes: PACKET, departed, delay: Some(delay) };
    let window: Vec<Fate> = before.chain(after).map(fate).collect();
    let carried = carried(&window, 0.04, 0.02).unwrap();
    assert!((carried - 200_000.0).abs() < 1.0, "{carried}");
    assert_eq!(super::window::carried(&window[..12], 0.04, 0.02), None, "too few");
}

/// Others wait between the first two packets, and none between the next.
#[test]
fn a_packet_behind_another_tells_how_fast_the_bottleneck_is() {
    let fate = |(ms, bytes): (f64, _)| Fate { bytes, departed: 0.0, delay: Some(ms / 1e3) };
    // 8 ms for 1000 bytes are 1 Mbit/s; of small packets, clocks say nothing.
    let window = [(40.0, PACKET), (120.0, PACKET), (128.0, PACKET), (128.1, 80)].map(fate);
    assert_eq!(faster(&window, 900e3), 1);
    assert_eq!(faster(&window, 1.1e6), 0);
}

/// Carried at 200 kbit/s, 1000 bytes each 40 ms; a report that named five of them did not come.
#[test]
fn packets_of_a_lost_report_were_carried_as_well() {
    let sent = (0..20).filter(|n| !(8..13).contains(n)).map(f64::from);
    let fate = |n| Fate { bytes: PACKET, departed: n * 0.01, delay: Some(0.04 + n * 0.03) };
    let window: Vec<Fate> = sent.map(fate).collect();
    let carried = carried(&window, 0.04, 0.02).unwrap();
    assert!((carried - 200_000.0).abs() < 1.0, "{carried}");
}

#[test]
fn a_bottleneck_is_found_and_held() {
    let mut path = Path::new();
    let (bps, arrived) = path.run(10.0, 300_000.0, 2e6, 0.0);
    assert!((200_000.0..330_000.0).contains(&bps), "{bps}");
    assert!(arrived > 0.97, "{arrived}");
    let (bps, arrived) = path.run(60.0, 300_000.0, 2e6, 0.0);
    assert!((200_000.0..330_000.0).contains(&bps), "{bps}");
    assert!(arrived > 0.97, "{arrived}");
}

/// Reports and checks of the connection are not in what the estimate knows of, and on a narrow path they
/// are a tenth of all.
#[test]
fn on_a_narrow_path_a_queue_of_its_own_is_not_that_of_others() {
    for rate in [90_000.0, 100_000.0, 120_000.0] {
        let mut path = Path::new();
        let mut seconds_beside = 0;
        for _ in 0..60 {
            path.run(1.0, rate - 12_000.0, 2e6, 0.0);
            seconds_beside += i32::from(path.estimator.is_beside_others(path.now));
        }
        assert_eq!(seconds_beside, 0, "{rate}");
    }
}

/// Also where it becomes narrower by so little that nearly all still passes.
#[test]
fn a_path_that_becomes_narrower_is_not_one_with_others() {
    for (before, after) in
        [(300e3, 270e3), (300e3, 250e3), (1e6, 900e3), (1e6, 600e3), (2e6, 200e3)]
    {
        let mut path = Path::new();
        path.run(20.0, before, 3e6, 0.0);
        for second in 0..20 {
            path.run(1.0, after, 3e6, 0.0);
            let beside = path.estimator.is_beside_others(path.now);
            assert!(!beside, "from {before} to {after}, after {second} s");
        }
    }
}

/// Others who fill a queue of 200 ms at all times, whatever is sent beside them.
#[test]
fn a_queue_that_stays_when_less_is_sent_is_that_of_others() {
    let mut path = Path::new();
    path.run(2.0, 1e6, 2e6, 0.0);
    path.others_queue = 0.2;
    path.run(3.0, 1e6, 2e6, 0.0);
    assert!(path.estimator.is_beside_others(path.now));
}

#[test]
fn random_loss_does_not_collapse_it() {
    let (bps, _) = Path::new().run(60.0, 10e6, 400_000.0, 0.05);
    assert!(bps > 400_000.0, "{bps}");
}

#[test]
fn it_recovers_after_a_bottleneck() {
    let mut path = Path::new();
    path.run(20.0, 150_000.0, 2e6, 0.0);
    let (bps, _) = path.run(20.0, 5e6, 2e6, 0.0);
    assert!(bps > 600_000.0, "{bps}");
}

/// A report that was under way says nothing of the path since.
#[test]
fn a_report_from_before_a_silence_does_not_end_it() {
    let mut path = Path::new();
    path.run(10.0, 5e6, 2e6, 0.0);
    let (mut estimator, now) = (path.estimator, path.now);
    let report = |estimator: &mut Estimator, after: Duration, departed: f64| {
        let fate =
            |n| Fate { bytes: PACKET, departed: departed + f64::from(n) / 1e3, delay: Some(0.04) };
        estimator.report(now + after, (0..10).map(fate));
        estimator.bps()
    };
    report(&mut estimator, Duration::from_millis(200), path.time);
    for seconds in [0.6, 0.8] {
        estimator.silence(now + Duration::from_secs_f64(seconds), path.time + seconds);
    }
    let cut = estimator.bps();
    let late = report(&mut estimator, Duration::from_millis(810), path.time + 0.3);
    assert!(late <= cut, "{late} after {cut}");
    let after = report(&mut estimator, Duration::from_millis(1_020), path.time + 0.7);
    assert!(after > cut, "{after} after {cut}");
}

#[test]
fn a_dead_path_brings_it_to_the_floor_and_not_below() {
    let mut path = Path::new();
    let (bps, _) = path.run(60.0, 10e6, 2e6, 1.0);
    assert!((MIN_BPS * 0.99..100_000.0).contains(&bps), "{bps}");
}

proptest! {
    /// Whatever a partner reports, the estimate is a rate to send at.
    #[test]
    fn reports_of_any_kind_leave_it_in_its_bounds(reports in prop::collection::vec(
        (0u64..500, prop::collection::vec((0usize..2_000, -1e9..1e9, any::<Option<i32>>()), 0..20)),
        0..100,
    )) {
        let (mut estimator, mut now) = (Estimator::new(START_BPS), clock::now());
        for (wait, fates) in reports {
            now += Duration::from_millis(wait);
            let fates = fates.into_iter().map(|(bytes, departed, delay)| {
                Fate { bytes, departed, delay: delay.map(f64::from) }
            });
            estimator.report(now, fates);
            if wait > 400 {
                estimator.silence(now, 0.0);
            }
            prop_assert!((MIN_BPS..=MAX_BPS).contains(&estimator.bps()), "{}", estimator.bps());
        }
    }
}

#[test]
fn what_is_not_used_is_not_believed() {
    let (bps, _) = Path::new().run(60.0, 50e6, 100_000.0, 0.0);
    assert!(bps < 500_000.0, "{bps}");
}

/// By chance, 4 of 20 packets are lost where one in ten is, but not 80 of 400.
#[test]
fn a_few_packets_say_little_about_loss() {
    assert!(certain(4.0 / 20.0, 20.0) < LOSS_NOISE);
    assert!(certain(80.0 / 400.0, 400.0) > LOSS_NOISE);
}
