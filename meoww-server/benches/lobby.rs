//! What a search costs where 100 000 others wait, each for a tag of its own and with blocks.
//!
//! A round is two searches, one of which waits and one of which meets who waits, and the end of
//! their room. Two visitors meet without tags; with tags a visitor meets the next of those waiting,
//! who then waits again. Searches are counted, everything is timed.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures and tells"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use meoww_proto::{
    UserId,
    tags::{MAX_TAG_WAIT, MAX_TAGS, Tag},
};
use meoww_server::core::lobby::{ConnId, Effect, Input, Lobby, SearchCriteria};
use rand::{SeedableRng, rngs::SmallRng};

const WAITING: u64 = 100_000;
/// Those who come and go beside them.
const VISITORS: u64 = 100_000;
const BLOCKS_EACH: u64 = 4;
const RUNS: usize = 5;
/// A run's.
const ROUNDS: u64 = 200_000;
/// Between rounds: enough for nobody to be slowed for skipping, little enough for all to go on
/// waiting for their tags.
const STEP: Duration = Duration::from_micros(40);

struct World {
    lobby: Lobby,
    rng: SmallRng,
    now: Instant,
    effects: Vec<Effect>,
    matched: usize,
}

impl World {
    fn new(waiting: &[SearchCriteria]) -> Self {
        let mut world = Self {
            lobby: Lobby::default(),
            rng: SmallRng::seed_from_u64(1),
            now: Instant::now(),
            effects: Vec::new(),
            matched: 0,
        };
        for n in 0..WAITING + VISITORS {
            world.handle(Input::Connect { conn: ConnId(n), user: user(n), resume: None });
            for other in 1..=BLOCKS_EACH {
                let blocked = user(n + other * 7919);
                world.handle(Input::Block { user: user(n), blocked });
            }
        }
        for (n, criteria) in (0..).zip(waiting) {
            world.search(n, *criteria);
        }
        world.matched = 0;
        world
    }

    fn handle(&mut self, input: Input) {
        self.effects.clear();
        self.lobby.handle(input, self.now, &mut self.rng, &mut self.effects);
    }

    fn search(&mut self, n: u64, criteria: SearchCriteria) {
        self.handle(Input::Search(ConnId(n), black_box(criteria)));
        self.matched += self.effects.len() / 2;
    }

    /// Each meets another one each time: those who just parted would wait for each other.
    fn visitors_meet(&mut self, round: u64) {
        let (pass, pair) = (round / (VISITORS / 2), round % (VISITORS / 2));
        let (first, second) = (2 * pair, (2 * pair + 2 * pass + 1) % VISITORS);
        self.search(WAITING + first, SearchCriteria::default());
        self.search(WAITING + second, SearchCriteria::default());
        self.handle(Input::Leave(ConnId(WAITING + first)));
    }

    fn visitor_meets_one_waiting(&mut self, round: u64, waiting: &[SearchCriteria]) {
        let (first, pass) = (round % WAITING, round / WAITING);
        let visitor = WAITING + (first + pass) % VISITORS;
        let criteria = waiting[first as usize];
        self.search(visitor, criteria);
        self.handle(Input::Leave(ConnId(first)));
        self.search(first, criteria);
    }
}

fn user(n: u64) -> UserId {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    UserId::from_bytes(bytes)
}

/// Patience for so many tags, different ones for every `n`.
fn choosy(n: u64, tags: usize) -> SearchCriteria {
    let tags: Vec<Tag> = (0..tags).map(|i| format!("t{n}.{i}").parse().expect("a tag")).collect();
    SearchCriteria::new(&tags, MAX_TAG_WAIT)
}

/// Prints the median of [`RUNS`] runs.
fn measure(name: &str, tags: usize, round: fn(&mut World, u64, &[SearchCriteria])) {
    let waiting: Vec<SearchCriteria> = (0..WAITING).map(|n| choosy(n, tags)).collect();
    let mut rates = [(); RUNS].map(|()| {
        let mut world = World::new(&waiting);
        let started = Instant::now();
        for n in 0..ROUNDS {
            world.now += STEP;
            round(&mut world, n, &waiting);
        }
        let taken = started.elapsed();
        assert_eq!(world.matched as u64, ROUNDS, "everybody found somebody");
        assert_eq!(world.lobby.counts().searching as u64, WAITING, "who waits goes on");
        (2 * ROUNDS) as f64 / taken.as_secs_f64()
    });
    rates.sort_by(f64::total_cmp);
    println!("{name:<12} {:>9.0} searches a second", rates[RUNS / 2]);
}

fn main() {
    measure("without tags", 1, |world, n, _| world.visitors_meet(n));
    measure("one tag", 1, World::visitor_meets_one_waiting);
    measure("five tags", MAX_TAGS, World::visitor_meets_one_waiting);
}
