//! An emulated network between two peers: loss, alone and in bursts, delay, jitter, reordering,
//! duplication, and a bottleneck with a queue, each way, changing with time.
//!
//! Pure: time is an argument, and chance comes from a seed, so that the same packets at the same
//! times have the same fate. `call_bench --net` has the sockets.

mod download;
mod link;
mod profile;
mod record;

use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};

use self::{
    download::Download,
    link::{Link, Queue},
};
pub use self::{
    link::{Bursts, Conditions},
    profile::{PROFILES, Profile},
    record::{INTERVAL, Record},
};

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the first peer to the second.
    There,
    /// From the second peer to the first.
    Back,
}

/// When the copies of a packet arrive: none, one or two.
pub type Arrivals = [Option<Duration>; 2];

/// A network in one call. Time is counted from its beginning.
pub struct Network {
    profile: Profile,
    /// One each way, or one for all that share it.
    queues: [Queue; 2],
    links: [Link; 2],
    records: [Record; 2],
    download: Option<Download>,
}

impl Network {
    /// The network of a profile; equal seeds make equal networks.
    pub fn new(profile: Profile, seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        Self {
            profile,
            queues: Default::default(),
            links: [Link::new(&mut dice), Link::new(&mut dice)],
            records: Default::default(),
            download: profile.shared.then(|| Download::new(profile.at(Way::There, Duration::ZERO))),
        }
    }

    /// Returns the fate of a packet that is sent at a time no earlier than the one before.
    pub fn carry(&mut self, way: Way, at: Duration, bytes: usize) -> Arrivals {
        let conditions = self.profile.at(way, at);
        let queue = &mut self.queues[if self.profile.shared { 0 } else { way as usize }];
        if let Some(download) = &mut self.download {
            download.run(at, &conditions, queue);
        }
        let record = &mut self.records[way as usize];
        record.sent(at, bytes);
        let Some(leaves) = queue.pass(at, bytes, &conditions) else { return [None; 2] };
        record.queued(leaves.saturating_sub(at));
        let arrivals = self.links[way as usize].carry(leaves, &conditions);
        if arrivals[0].is_some() {
            record.delivered(at, bytes);
        }
        arrivals
    }

    /// Returns the record of one direction so far.
    pub fn record(&self, way: Way) -> &Record {
        &self.records[way as usize]
    }

    /// Bytes that the download of a shared network received.
    pub fn downloaded(&self) -> usize {
        self.download.as_ref().map_or(0, Download::received)
    }

    /// The profile it was made of.
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When packets of `bytes`, one each `every`, arrive in `seconds`.
    fn sent(
        profile: Profile,
        seed: u64,
        every: Duration,
        bytes: usize,
        seconds: u64,
    ) -> Vec<Arrivals> {
        let mut network = Network::new(profile, seed);
        let count = Duration::from_secs(seconds).as_nanos() / every.as_nanos();
        (0..count as u32).map(|n| network.carry(Way::There, every * n, bytes)).collect()
    }

    fn plain(conditions: Conditions) -> Profile {
        Profile::steady(conditions)
    }

    #[test]
    fn loss_and_delay_are_those_of_the_profile() {
        let arrivals = sent(Profile::named("loss-5").unwrap(), 1, 10 * MS, 1000, 1000);
        let lost = arrivals.iter().filter(|arrival| arrival[0].is_none()).count();
        // 100,000 packets at 5 %: 5000, with a standard deviation of 69.
        assert!((4_700..5_300).contains(&lost), "{lost}");
        let arrived = |(n, arrival): (usize, &Arrivals)| Some(arrival[0]? - 10 * MS * n as u32);
        assert!(arrivals.iter().enumerate().filter_map(arrived).all(|delay| delay == 40 * MS));
    }

    #[test]
    fn bursts_lose_packets_together_and_their_share_of_all() {
        let arrivals = sent(Profile::named("bursts").unwrap(), 2, 10 * MS, 1000, 4000);
        let lost: Vec<bool> = arrivals.iter().map(|arrival| arrival[0].is_none()).collect();
        let share = lost.iter().filter(|lost| **lost).count() as f64 / lost.len() as f64;
        // 400,000 packets, so some 1000 bursts; their number varies by 3 %.
        assert!((0.018..0.022).contains(&share), "{share}");
        let runs = lost.chunk_by(|a, b| a == b).filter(|run| run[0]);
        assert!(runs.take(100).all(|run| run.len() % 8 == 0));
    }

    #[test]
    fn a_bottleneck_queues_and_drops_what_would_wait_too_long() {
        // 1000 bytes each 40 ms are 200 kbit/s, twice what passes; each takes 80 ms.
        let arrivals = sent(Profile::named("rate-100").unwrap(), 3, 40 * MS, 1000, 20);
        let delays: Vec<_> = arrivals
            .iter()
            .enumerate()
            .filter_map(|(n, arrival)| Some(arrival[0]? - 40 * MS * n as u32))
            .collect();
        assert_eq!(delays[..2], [120 * MS, 160 * MS]);
        // The queue of 200 ms, its own 80 and 40 under way.
        assert!(delays.iter().all(|delay| *delay <= 320 * MS));
        // 20 s of 100 kbit/s are 250 packets, and some more are under way.
        assert!((250..=254).contains(&delays.len()), "{}", delays.len());
    }

    #[test]
    fn the_rate_steps_at_its_time() {
        let profile = Profile::named("step").unwrap();
        let mut network = Network::new(profile, 4);
        let mut took = |seconds| {
            let at = Duration::from_secs(seconds);
            network.carry(Way::There, at, 2500).map(|arrival| arrival.map(|arrival| arrival - at))
        };
        // 20,000 bits at 2 Mbit/s take 10 ms, at 200 kbit/s 100 ms.
        assert_eq!(took(5)[0], Some(50 * MS));
        assert_eq!(took(12)[0], Some(140 * MS));
        assert_eq!(took(25)[0], Some(50 * MS));
    }

    #[test]
    fn nothing_passes_an_outage_and_all_after_it() {
        let arrivals = sent(Profile::named("outage").unwrap(), 5, 100 * MS, 100, 20);
        let passed: Vec<bool> = arrivals.iter().map(|arrival| arrival[0].is_some()).collect();
        assert!(passed[..50].iter().all(|passed| *passed));
        assert!(passed[50..100].iter().all(|passed| !passed));
        assert!(passed[100..].iter().all(|passed| *passed));
    }

    #[test]
    fn jitter_keeps_the_order_but_for_those_that_are_overtaken_and_some_come_twice() {
        let conditions = Conditions { jitter: 30 * MS, ..Conditions::after(40 * MS) };
        let arrivals = sent(plain(conditions), 6, 5 * MS, 100, 100);
        let first: Vec<_> = arrivals.iter().map(|arrival| arrival[0].unwrap()).collect();
        assert!(first.is_sorted());
        let spread = |n: usize| first[n] - 5 * MS * n as u32;
        let (least, most) = ((0..20_000).map(spread).min(), (0..20_000).map(spread).max());
        assert!(least < Some(45 * MS) && most > Some(65 * MS) && most <= Some(70 * MS));
        let conditions = Conditions { reorder: 0.02, duplicate: 0.01, ..conditions };
        let arrivals = sent(plain(conditions), 7, 5 * MS, 100, 100);
        let first: Vec<_> = arrivals.iter().map(|arrival| arrival[0].unwrap()).collect();
        let overtaken = first.windows(2).filter(|pair| pair[1] < pair[0]).count();
        let twice = arrivals.iter().filter(|arrival| arrival[1].is_some()).count();
        // 20,000 packets: 400 and 200, by chance a tenth more or fewer; some are late without harm.
        assert!((250..480).contains(&overtaken), "{overtaken}");
        assert!((140..260).contains(&twice), "{twice}");
    }

    #[test]
    fn directions_differ_where_the_profile_says_so() {
        let mut network = Network::new(Profile::named("uplink").unwrap(), 8);
        // 3200 bytes at 256 kbit/s take 100 ms, at 2 Mbit/s 12.8.
        let there = network.carry(Way::There, Duration::ZERO, 3200)[0];
        let back = network.carry(Way::Back, Duration::ZERO, 3200)[0];
        assert_eq!(there, Some(140 * MS));
        assert_eq!(back, Some(Duration::from_micros(52_800)));
    }

    /// Reno alone fills a bottleneck (RFC 5681), and shares it with a flow that does not give way.
    #[test]
    fn a_download_takes_what_others_leave() {
        let run = |bytes: usize| {
            let mut network = Network::new(Profile::named("shared").unwrap(), 9);
            for n in 0..6_000 {
                network.carry(Way::There, 10 * MS * n, bytes);
            }
            network.downloaded() as f64 * 8.0 / 60.0
        };
        let alone = run(1);
        assert!((900_000.0..1_010_000.0).contains(&alone), "{alone}");
        // 625 bytes each 10 ms are 500 kbit/s.
        let beside = run(625);
        assert!((400_000.0..520_000.0).contains(&beside), "{beside}");
    }

    #[test]
    fn what_passed_is_recorded() {
        let mut network = Network::new(Profile::named("rate-100").unwrap(), 10);
        for n in 0..25 {
            network.carry(Way::There, 40 * MS * n, 1000);
        }
        let record = network.record(Way::There);
        assert_eq!(record.packets, 25);
        assert!(record.longest_queue > 200 * MS && record.longest_queue <= 280 * MS);
        // 200 kbit/s are sent, and half of it passes, but for what fits in the queue.
        let second = Duration::ZERO..Duration::from_secs(1);
        assert_eq!(record.sent_bps(second.clone()), 200_000.0);
        assert!((100_000.0..140_000.0).contains(&record.delivered_bps(second)));
        assert_eq!(network.record(Way::Back).packets, 0);
    }

    proptest! {
        #[test]
        fn equal_seeds_make_equal_networks_and_time_never_goes_back(
            seed: u64, profile in prop::sample::select(PROFILES),
            packets in prop::collection::vec((0u64..50, 1usize..1500, any::<bool>()), 1..300),
        ) {
            let (mut one, mut other) = (Network::new(profile, seed), Network::new(profile, seed));
            let mut at = Duration::ZERO;
            for (wait, bytes, there) in packets {
                at += MS * wait as u32;
                let way = if there { Way::There } else { Way::Back };
                let arrivals = one.carry(way, at, bytes);
                prop_assert_eq!(arrivals, other.carry(way, at, bytes));
                let least = at + profile.at(way, at).delay;
                prop_assert!(arrivals.iter().flatten().all(|arrival| *arrival >= least));
            }
        }
    }
}
