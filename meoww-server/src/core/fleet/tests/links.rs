//! One link alone: what is sent arrives once and in order, or both ends know that it may not.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::core::fleet::{
    Beat, Body, Message, NodeId, Packet, Pulse,
    link::{BEAT, Link, Received},
};

const NOTHING: Beat = Beat {
    term: None,
    leads: false,
    is_draining: false,
    hears_you: false,
    reach: 0,
    pulse: Pulse { count: 0, reach: 0 },
    presence: None,
};

struct End {
    link: Link,
    session: u64,
    /// How many messages were sent in it.
    sent: u64,
    /// The last that has arrived: the session of its sender, and its number in that.
    last: Option<[u64; 2]>,
}

impl End {
    fn new(link: Link) -> Self {
        Self { link, session: 1, sent: 0, last: None }
    }

    fn begin(&mut self, session: u32) {
        (self.session, self.sent) = (session.into(), 0);
    }

    /// The next of a session, or the first of a later one.
    fn take(&mut self, [session, number]: [u64; 2]) {
        let is_next = match self.last {
            Some([last, count]) if last == session => number == count + 1,
            Some([last, _]) => session > last && number == 0,
            None => number == 0,
        };
        assert!(is_next, "{number} of {session} after {:?}", self.last);
        self.last = Some([session, number]);
    }
}

fn number(message: &Message) -> [u64; 2] {
    let Message::Question { id, .. } = message else { panic!("{message:?}") };
    [id >> 32, id & 0xffff_ffff]
}

/// The bus reorders, repeats and loses, and one end is reset now and then.
fn run(seed: u64) -> usize {
    let (mut rng, mut now) = (SmallRng::seed_from_u64(seed), Instant::now());
    let [a, b] = [1, 2].map(|number| NodeId::new(number).expect("a node"));
    let end = |me, peer| End::new(Link::new(me, peer, 1, now));
    let mut ends = [end(a, b), end(b, a)];
    let mut bus: Vec<(usize, Packet)> = Vec::new();
    let (mut session, mut arrived) = (1, 0);
    for _ in 0..2000 {
        now += Duration::from_millis(rng.random_range(0..50));
        let me = rng.random_range(0..2);
        session += 1;
        match rng.random_range(0..100) {
            0..30 => {
                let end = &mut ends[me];
                let id = end.session << 32 | end.sent;
                let message = Message::Question { id, text: String::new() };
                let packet = end.link.send(message, now).expect("room in the window");
                if let Some(packet) = packet {
                    end.sent += 1;
                    bus.push((1 - me, packet));
                }
            }
            30..45 => {
                now += BEAT / 4;
                let packets = ends[me].link.beat(NOTHING, now);
                bus.extend(packets.into_iter().map(|packet| (1 - me, packet)));
            }
            45 if rng.random_range(0..20) == 0 => {
                ends[me].link.reset(session, now);
                ends[me].begin(session);
            }
            _ if bus.is_empty() => {}
            46..50 => drop(bus.swap_remove(rng.random_range(0..bus.len()))),
            kind => {
                let n = rng.random_range(0..bus.len());
                let (to, packet) = bus[n].clone();
                if kind > 54 {
                    bus.swap_remove(n);
                }
                let Received { is_reset, messages, .. } =
                    ends[to].link.receive(packet, session, now);
                if is_reset {
                    ends[to].begin(session);
                }
                arrived += messages.len();
                messages.iter().for_each(|message| ends[to].take(number(message)));
            }
        }
    }
    arrived
}

#[test]
fn messages_arrive_once_and_in_order() {
    let arrived: usize = (0..100).map(run).sum();
    assert!(arrived > 10_000, "{arrived}");
}

/// Two ends that know each other.
fn connected(now: Instant) -> [Link; 2] {
    let [a, b] = [1, 2].map(|number| NodeId::new(number).expect("a node"));
    let [mut one, mut other] = [Link::new(a, b, 1, now), Link::new(b, a, 1, now)];
    for _ in 0..2 {
        for packet in one.beat(NOTHING, now) {
            other.receive(packet, 2, now);
        }
        for packet in other.beat(NOTHING, now) {
            one.receive(packet, 2, now);
        }
    }
    [one, other]
}

/// As many messages as two of three busy nodes say to each other, and a bus that is away for a while.
#[test]
fn a_busy_link_catches_up_with_what_was_lost() {
    const PER_MS: u64 = 3;
    let start = Instant::now();
    let (mut ends, mut sent, mut arrived) = (connected(start), 0, 0);
    for ms in 1..=1500 {
        let now = start + Duration::from_millis(ms);
        let mut packets: Vec<Packet> = Vec::new();
        for id in sent..sent + PER_MS {
            let message = Message::Question { id, text: String::new() };
            packets.extend(ends[0].send(message, now).expect("room in the window"));
        }
        sent += PER_MS;
        if ms % 200 == 0 {
            packets.extend(ends[0].beat(NOTHING, now));
            for packet in ends[1].beat(NOTHING, now) {
                ends[0].receive(packet, 2, now);
            }
        }
        let is_away = (300..600).contains(&ms);
        for packet in packets.into_iter().filter(|_| !is_away) {
            arrived += ends[1].receive(packet, 2, now).messages.len() as u64;
        }
    }
    assert_eq!(arrived, sent, "0.9 s later");
}

/// One with access to the bus and none to the secrets sends what was said before again.
#[test]
fn copies_of_packets_are_no_sign_of_life() {
    let start = Instant::now();
    let [mut one, mut other] = connected(start);
    let mut packets = one.beat(Beat { hears_you: true, ..NOTHING }, start);
    let message = Message::Question { id: 1, text: String::new() };
    packets.extend(one.send(message, start).expect("room in the window"));
    for ms in [0, 500, 1000] {
        for packet in packets.clone() {
            other.receive(packet, 2, start + Duration::from_millis(ms));
        }
    }
    let now = start + Duration::from_millis(1000);
    assert_eq!(other.silence(now), Duration::from_secs(1));
    assert!(other.is_silent_for(Duration::from_secs(1), now));
}

#[test]
fn a_full_window_is_told() {
    let now = Instant::now();
    let [mut one, mut other] = connected(now);
    let message = Message::Question { id: 1, text: "x".repeat(64 * 1024) };
    let sent = (0..10_000).take_while(|_| one.send(message.clone(), now).is_ok()).count();
    assert!((400..600).contains(&sent), "32 MiB, and not {sent} times 64 KiB");
    let Ok(Some(Packet { body: Body::Data { seq: 0, .. }, .. })) = other.send(message, now) else {
        panic!("the other direction is free");
    };
}
