//! Random histories: clients, faults of nodes and of the bus, in any order.
//!
//! `MEOWW_FLEET_SEED=n` runs the history of a run that failed again, and `MEOWW_FLEET_TRACE=1` prints
//! what happens in it.

use std::time::Duration;

use meoww_proto::UserId;
use rand::RngExt;

use super::world::{Faults, World, user};
use crate::core::lobby::{self, ConnId, Departure, SEAT_LEASE};

/// Operations in one history.
const LENGTH: usize = 400;
const USERS: u8 = 8;
const MAX_NODES: usize = 4;

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
        0..30 => world.search(conn),
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
        57..66 => world.relay(conn),
        66..68 if nodes.len() > 1 => {
            world.crash(node);
            if world.rng.random() {
                world.start_node();
            }
        }
        68 if nodes.len() < MAX_NODES => drop(world.start_node()),
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
        _ => {
            let most = [5, 50, 500, 2000][world.rng.random_range(0..4)];
            let time = world.rng.random_range(0..most);
            world.pass(Duration::from_millis(time));
        }
    }
    world.check();
}

fn run(seed: u64) -> [u64; 2] {
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
    [world.matches, world.relays]
}

/// A short run as a rule, ten million operations in a soak.
#[test]
fn histories_keep_the_promises() {
    let asked = std::env::var("MEOWW_FLEET_SEED").ok();
    if let Some(seed) = asked {
        run(seed.parse().expect("a number"));
        return;
    }
    let first: u64 = rand::rng().random();
    let mut sum = [0; 2];
    for n in 0..cases() / 4 {
        let seed = first.wrapping_add(n);
        // Shown when it fails: the last of them is the one.
        println!("MEOWW_FLEET_SEED={seed}");
        let [matches, relays] = run(seed);
        sum = [sum[0] + matches, sum[1] + relays];
    }
    println!("{sum:?} matches and relays between nodes");
    assert!(sum.iter().all(|count| *count > cases() / 4), "little happened: {sum:?}");
}
