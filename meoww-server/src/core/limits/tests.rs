//! Limits in virtual time.
#![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

use super::*;
use proptest::prelude::*;

const QUOTA: Quota = Quota { requests: 3, window: Duration::from_secs(60) };

#[test]
fn a_refusal_says_how_long_to_wait() {
    let start = Instant::now();
    let mut limiter = WindowLimiter::new(QUOTA);
    for remaining in [2, 1, 0] {
        assert_eq!(limiter.admit("a", start).expect("admitted").remaining, remaining);
    }
    let later = start + Duration::from_secs(20);
    let refused = limiter.admit("a", later).expect_err("a fourth");
    assert_eq!((refused.remaining, refused.reset(later)), (0, Duration::from_secs(40)));
    assert!(limiter.admit("b", later).is_ok());
    assert!(limiter.admit("a", start + Duration::from_secs(60)).is_ok());
}

#[test]
fn what_is_forgiven_does_not_count_and_belongs_to_its_window() {
    let start = Instant::now();
    let mut limiter = WindowLimiter::new(Quota { requests: 1, ..QUOTA });
    let first = limiter.admit("a", start).expect("admitted");
    assert_eq!(limiter.forgive(&"a", first).remaining, 1);
    limiter.admit("a", start).expect("the first did not count");
    let next = start + QUOTA.window;
    limiter.admit("a", next).expect("a new window");
    limiter.forgive(&"a", first);
    assert!(limiter.admit("a", next).is_err(), "what is over gives nothing back");
}

#[test]
fn neighbours_in_one_ipv6_network_count_together() {
    let network = |text: &str| Network::of(text.parse().expect("an address"));
    assert_eq!(network("2001:db8::1"), network("2001:db8::2"));
    assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
}

#[test]
fn memory_is_bounded() {
    let mut limiter = WindowLimiter::new(QUOTA);
    let now = Instant::now();
    for n in 0..MAX_KEYS + 10 {
        assert!(limiter.admit(n, now).is_ok());
    }
    assert_eq!(limiter.windows.len(), MAX_KEYS);
    assert_eq!(limiter.by_age.len(), MAX_KEYS);
}

/// The rule itself, with neither bounded memory nor forgetting: when each key's window began and
/// what counts in it.
#[derive(Default)]
struct Model(HashMap<u8, (Instant, u32)>);

impl Model {
    fn admit(&mut self, key: u8, now: Instant) -> bool {
        let window = self.0.entry(key).or_insert((now, 0));
        if now.duration_since(window.0) >= QUOTA.window {
            *window = (now, 0);
        }
        let admitted = window.1 < QUOTA.requests;
        window.1 += u32::from(admitted);
        admitted
    }

    fn forgive(&mut self, key: u8, ends: Instant) {
        if let Some((_, used)) =
            self.0.get_mut(&key).filter(|window| window.0 + QUOTA.window == ends)
        {
            *used -= 1;
        }
    }
}

proptest! {
    #[test]
    fn the_limiter_counts_as_the_rule_says(
        steps in prop::collection::vec((0u8..6, 0u64..30, any::<bool>()), 1..400)
    ) {
        let (mut limiter, mut model) = (WindowLimiter::new(QUOTA), Model::default());
        let mut now = Instant::now();
        let mut counted = Vec::new();
        for (key, seconds, forgive) in steps {
            now += Duration::from_secs(seconds);
            let outcome = limiter.admit(key, now);
            prop_assert_eq!(outcome.is_ok(), model.admit(key, now));
            let (Ok(status) | Err(status)) = outcome;
            prop_assert!(status.reset(now) <= QUOTA.window && status.remaining < 3);
            if let Ok(status) = outcome {
                counted.push((key, status));
            }
            if forgive && let Some((key, status)) = counted.pop() {
                let after = limiter.forgive(&key, status);
                model.forgive(key, status.ends);
                prop_assert!(after.remaining <= QUOTA.requests);
            }
        }
    }

    #[test]
    fn no_window_admits_more_than_its_quota(
        steps in prop::collection::vec((0u8..4, 0u64..40), 1..200)
    ) {
        let mut limiter = WindowLimiter::new(QUOTA);
        let mut now = Instant::now();
        let mut admitted = Vec::new();
        for (client, seconds) in steps {
            now += Duration::from_secs(seconds);
            if limiter.admit(client, now).is_ok() {
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

/// Long enough for windows to end, keys to be forgotten and counts to be taken back in every order.
#[test]
fn long_random_histories_count_as_the_rule_says() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut limiter, mut model) = (WindowLimiter::new(QUOTA), Model::default());
    let (mut now, mut counted) = (Instant::now(), VecDeque::new());
    for step in 0..400 * proptest::test_runner::Config::default().cases {
        let key = rng.random::<u8>();
        now += Duration::from_millis(rng.random_range(0..200));
        let outcome = limiter.admit(key, now);
        assert_eq!(outcome.is_ok(), model.admit(key, now), "seed {seed}, step {step}");
        counted.extend(outcome.ok().map(|status| (key, status)));
        if counted.len() > 100 || rng.random_ratio(1, 4) {
            let Some((key, status)) = counted.pop_front() else { continue };
            limiter.forgive(&key, status);
            model.forgive(key, status.ends);
        }
        assert!(limiter.by_age.len() <= 256 && limiter.by_age.len() == limiter.windows.len());
    }
}
