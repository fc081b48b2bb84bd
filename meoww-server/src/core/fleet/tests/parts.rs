//! A network in parts, and whole again: which calls go on.

use std::time::Duration;

use rand::RngExt;

use super::{
    model::cases,
    world::{World, user},
};
use crate::core::{
    fleet::NodeId,
    lobby::{self, ConnId},
};

const USERS: u8 = 12;

/// Returns the senders and receivers of packets that are lost between a node that is cut off and
/// another.
type Cuts = fn(NodeId, NodeId) -> Vec<[NodeId; 2]>;

/// Users meet and skip for a while, as one client each.
fn mingle(world: &mut World, time: Duration) {
    let end = world.now + time;
    while world.now < end {
        let conns: Vec<ConnId> = world.clients.keys().copied().collect();
        let conn = conns[world.rng.random_range(0..conns.len())];
        let client = &world.clients[&conn];
        if client.room.is_some() && world.rng.random_range(0..4) == 0 {
            world.act(conn, lobby::Input::Skip(conn));
        } else if client.room.is_none() && !client.is_searching {
            world.search(conn);
        }
        let pause = Duration::from_millis(world.rng.random_range(0..60));
        world.pass(pause);
    }
}

/// Returns the ends of rooms that neither member has left, after one node was cut off in some
/// directions for a while.
fn lost_calls(seed: u64, cuts: Cuts) -> Vec<String> {
    let mut world = World::new(seed, 3);
    world.pass(Duration::from_secs(3));
    let nodes = world.node_ids();
    for name in 1..=USERS {
        world.connect(nodes[usize::from(name) % 3], user(name), None);
    }
    mingle(&mut world, Duration::from_secs(2));
    let one = nodes[world.rng.random_range(0..3)];
    for other in nodes.iter().copied().filter(|other| *other != one) {
        for [from, to] in cuts(one, other) {
            world.cut(from, to);
        }
    }
    mingle(&mut world, Duration::from_secs(4));
    world.mend_cuts();
    mingle(&mut world, Duration::from_secs(6));
    world.lost_calls()
}

#[test]
fn calls_outlive_a_network_in_parts() {
    let ways: [(&str, Cuts); 3] = [
        ("neither hears the other", |one, other| vec![[one, other], [other, one]]),
        ("it hears nothing", |one, other| vec![[other, one]]),
        ("it is not heard", |one, other| vec![[one, other]]),
    ];
    for (way, cuts) in ways {
        for seed in 0..cases() / 8 {
            let lost = lost_calls(seed, cuts);
            assert!(lost.is_empty(), "{way}, seed {seed}: {lost:#?}");
        }
    }
}
