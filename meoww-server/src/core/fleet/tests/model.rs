//! Random histories: clients, nodes that drain, faults of nodes and of the bus, in any order.
//!
//! `MEOWW_FLEET_SEED=n` runs the history of a run that failed again, and `MEOWW_FLEET_TRACE=1` prints
//! what happens in it. `MEOWW_FLEET_OPERATIONS=n` makes the run that long.

use std::{
    ops::Add,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use meoww_proto::{UserId, tags::Tag};
use rand::{RngExt, seq::IteratorRandom};

use super::world::{Client, Faults, World, user};
use crate::core::{
    fleet::NodeId,
    lobby::{self, ConnId, Departure, SEAT_LEASE, SearchCriteria},
};

/// Operations in one history.
const LENGTH: usize = 400;
const USERS: u8 = 8;
const MAX_NODES: usize = 4;
/// Between two signs of life of a long run.
const PROGRESS: Duration = Duration::from_secs(30);

/// Random histories of a run.
pub(super) fn cases() -> u64 {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    cases.unwrap_or(256)
}

fn any_user(world: &mut World) -> UserId {
    user(world.rng.random_range(1..=USERS))
}

fn any_conn(world: &mut World) -> Option<ConnId> {
    let conns: Vec<ConnId> = world.clients.keys().copied().collect();
    (!conns.is_empty()).then(|| conns[world.rng.random_range(0..conns.len())])
}

/// A connection whose partner is on another node.
fn any_across(world: &mut World) -> Option<ConnId> {
    let partner = |client: &Client| client.room.and_then(|room| room.partner);
    let is_across = |(conn, client): &(&ConnId, &Client)| {
        partner(client).is_some_and(|it| it.node() != conn.node())
    };
    world.clients.iter().filter(is_across).map(|(conn, _)| *conn).choose(&mut world.rng)
}

/// Anyone, or first somebody with one of two tags.
fn any_criteria(world: &mut World) -> SearchCriteria {
    let tags = [&["rust"][..], &["cats"], &["rust", "cats"]];
    match world.rng.random_range(0..8) {
        kind @ 0..3 => {
            let tags = tags[kind].iter().map(|tag| tag.parse().expect("a tag"));
            let tags: Vec<Tag> = tags.collect();
            SearchCriteria::new(&tags, Duration::from_secs(world.rng.random_range(0..3) * 4))
        }
        _ => SearchCriteria::default(),
    }
}

/// Nodes that end, begin, drain or stand still, and a bus that fails.
fn trouble(world: &mut World, kind: u32, [node, other]: [NodeId; 2]) {
    let nodes = world.nodes.len();
    match kind {
        66..68 if nodes > 1 => {
            world.crash(node);
            if world.rng.random() {
                world.start_node();
            }
        }
        68 if nodes < MAX_NODES => drop(world.start_node()),
        69..72 if node != other => {
            world.cut(node, other);
            if world.rng.random() {
                world.cut(other, node);
            }
        }
        72..74 => world.mend_cuts(),
        74 => world.pause(node, true),
        75..77 => world.pause(node, false),
        77 => {
            let mut one_in = || [0, 0, 3, 20][world.rng.random_range(0..4)];
            world.faults = Faults { lost: one_in(), repeated: one_in(), delayed: one_in() };
        }
        78 => world.faults = Faults::default(),
        79 => world.drain(node),
        80..84 => world.evacuate(),
        _ => {}
    }
}

fn step(world: &mut World) {
    let nodes = world.node_ids();
    let node = nodes[world.rng.random_range(0..nodes.len())];
    let other = nodes[world.rng.random_range(0..nodes.len())];
    let Some(conn) = any_conn(world).filter(|_| world.rng.random_range(0..8) > 0) else {
        let user = any_user(world);
        world.connect(node, user, None);
        return;
    };
    let (mine, stranger) = (world.clients[&conn].user, any_user(world));
    match world.rng.random_range(0..100) {
        0..29 => {
            let criteria = any_criteria(world);
            world.act(conn, lobby::Input::Search(conn, criteria));
        }
        29 if mine != stranger && world.rng.random() => {
            world.act(conn, lobby::Input::Mismatch { user: mine, other: stranger });
        }
        30..38 => world.act(conn, lobby::Input::Skip(conn)),
        38..42 => world.act(conn, lobby::Input::Leave(conn)),
        42..44 => world.act(conn, lobby::Input::Cancel(conn)),
        44..46 => world.act(conn, lobby::Input::Disconnect(conn, Departure::Clean)),
        46..52 => {
            // The connection is lost, and its user comes back elsewhere.
            let room = world.clients[&conn].room.map(|room| room.id);
            world.act(conn, lobby::Input::Disconnect(conn, Departure::Lost));
            if world.rng.random() {
                world.connect(node, mine, room);
            }
        }
        // Its user comes back before the loss is noticed.
        52..54 => drop(world.connect(node, mine, world.clients[&conn].room.map(|room| room.id))),
        54 if mine != stranger => {
            world.act(conn, lobby::Input::Block { user: mine, blocked: stranger });
        }
        55..57 => world.act(conn, lobby::Input::Unblock { user: mine, blocked: stranger }),
        57..66 => {
            if let Some(conn) = any_across(world) {
                world.relay(conn);
            }
        }
        kind @ 66..84 => trouble(world, kind, [node, other]),
        _ => {
            let most = [5, 50, 500, 2000][world.rng.random_range(0..4)];
            let time = world.rng.random_range(0..most);
            world.pass(Duration::from_millis(time));
        }
    }
    world.check();
}

/// Prints the seed of a history that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("MEOWW_FLEET_SEED={}", self.0);
        }
    }
}

/// How often things happened that a run must contain.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    matches: u64,
    relays: u64,
    /// Nodes that went after their clients.
    drained: u64,
}

impl Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            matches: self.matches + other.matches,
            relays: self.relays + other.relays,
            drained: self.drained + other.drained,
        }
    }
}

fn run(seed: u64) -> Sum {
    let _named = Named(seed);
    let mut world = World::new(seed, 3);
    world.pass(Duration::from_secs(2));
    for n in 0..LENGTH {
        step(&mut world);
        if n % 100 == 99 {
            world.heal();
        }
    }
    // All seats that were kept are given up.
    world.pass(SEAT_LEASE * 2);
    Sum { matches: world.matches, relays: world.relays, drained: world.drained }
}

/// Histories of this run: few as a rule, and as many as are asked for in a soak.
fn histories() -> u64 {
    let asked = std::env::var("MEOWW_FLEET_OPERATIONS").ok();
    let asked = asked.map(|count| count.parse::<u64>().expect("a number"));
    asked.map_or(cases() / 4, |count| count.div_ceil(LENGTH as u64))
}

/// Runs so many histories, on as many threads as there are processors, and prints how far they are.
fn run_all(first: u64, count: u64) -> Sum {
    let (next, sum) = (AtomicU64::new(0), Mutex::new((0, Sum::default(), Instant::now())));
    let began = Instant::now();
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return;
            }
            let found = run(first.wrapping_add(n));
            let (done, sum, said) = &mut *sum.lock().expect("no history has failed");
            (*done, *sum) = (*done + 1, *sum + found);
            if said.elapsed() > PROGRESS || *done == count {
                *said = Instant::now();
                let operations = *done * LENGTH as u64;
                println!("{operations} operations in {} s: {sum:?}", began.elapsed().as_secs());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    sum.into_inner().expect("no history has failed").1
}

#[test]
fn histories_keep_the_promises() {
    if let Ok(seed) = std::env::var("MEOWW_FLEET_SEED") {
        run(seed.parse().expect("a number"));
        return;
    }
    let count = histories();
    let sum = run_all(rand::rng().random(), count);
    let Sum { matches, relays, drained } = sum;
    assert!(matches.min(relays) > count && drained * 10 > count, "little happened: {sum:?}");
}
