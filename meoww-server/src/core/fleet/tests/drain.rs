//! A node that drains, and the turns of users whose node is gone.

use std::time::Duration;

use super::{
    stories::{fleet, leader, with_a_room},
    world::{World, user},
};
use crate::core::{
    fleet::NodeId,
    lobby::{self, ConnId, Departure},
};

/// The matcher forgets a user with the last connection, and is told of one that leaves the queue as if
/// it had been lost and were new. The world checks after each step which blocks the matcher knows.
#[test]
fn the_matcher_knows_the_blocks_of_users_whose_node_drains() {
    let mut world = World::new(1, 2);
    world.pass(Duration::from_secs(2));
    let node = world.node_ids()[1];
    let conn = world.connect(node, user(1), None).expect("a node");
    world.act(conn, lobby::Input::Block { user: user(1), blocked: user(2) });
    world.search(conn);
    world.pass(Duration::from_secs(1));
    world.drain(node);
    world.pass(Duration::from_secs(20));
}

#[test]
fn who_is_on_a_node_that_goes_is_not_queued_and_another_node_leads() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let conn = world.connect(nodes[0], user(1), None).expect("connected");
    world.act(conn, lobby::Input::Drain);
    world.search(conn);
    assert!(!world.clients[&conn].is_searching, "it is told");
    world.pass(Duration::from_secs(2));
    assert_eq!(leader(&world), Some(2));
    let [first, _] = with_a_room(&mut world);
    assert!(world.clients[&first].room.is_some());
}

/// The second waits already when the first comes back.
#[test]
fn who_waits_at_a_node_that_goes_keeps_the_turn() {
    // The first node matches.
    let ends: [fn(&mut World, ConnId, NodeId); 3] = [
        |world, first, _| {
            world.act(first, lobby::Input::Drain);
            world.act(first, lobby::Input::Disconnect(first, Departure::Lost));
        },
        // Nothing keeps it.
        |world, first, node| {
            world.act(first, lobby::Input::Drain);
            world.crash(node);
        },
        |world, _, node| {
            world.pass(Duration::from_secs(2));
            world.crash(node);
        },
    ];
    for (at, end) in [0, 1].into_iter().flat_map(|at| ends.map(|end| (at, end))) {
        let mut world = fleet();
        let nodes = world.node_ids();
        let first = world.connect(nodes[at], user(1), None).expect("connected");
        let second = world.connect(nodes[2], user(2), None).expect("connected");
        world.act(first, lobby::Input::Block { user: user(1), blocked: user(2) });
        for conn in [first, second] {
            world.search(conn);
            world.pass(Duration::from_millis(50));
        }
        end(&mut world, first, nodes[at]);
        world.pass(Duration::from_secs(2));
        let again = world.connect(nodes[2], user(1), None).expect("connected");
        let third = world.connect(nodes[2], user(3), None).expect("connected");
        for conn in [again, third] {
            world.search(conn);
            world.pass(Duration::from_millis(50));
        }
        let partner = world.clients[&third].room.expect("matched").partner;
        assert_eq!(partner, Some(again), "node {at}");
    }
}

/// Its node is gone, then the one that matches, each time for good.
#[test]
fn who_came_back_to_another_node_keeps_the_turn_with_the_next_matcher() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let first = world.connect(nodes[1], user(1), None).expect("connected");
    let second = world.connect(nodes[2], user(2), None).expect("connected");
    world.act(first, lobby::Input::Block { user: user(1), blocked: user(2) });
    for conn in [first, second] {
        world.search(conn);
        world.pass(Duration::from_millis(50));
    }
    world.crash(nodes[1]);
    world.pass(Duration::from_secs(2));
    let again = world.connect(nodes[2], user(1), None).expect("connected");
    world.search(again);
    world.pass(Duration::from_secs(3));
    world.crash(nodes[0]);
    world.pass(Duration::from_secs(2));
    let third = world.connect(nodes[2], user(3), None).expect("connected");
    world.search(third);
    world.pass(Duration::from_millis(50));
    assert_eq!(world.clients[&third].room.expect("matched").partner, Some(again));
}

/// Packets overtake each other, so the first that comes after a silence need not be a beat.
#[test]
fn a_node_that_drains_is_none_to_go_to_after_a_silence_either() {
    for seed in 1..=50 {
        let mut world = World::new(seed, 3);
        world.pass(Duration::from_secs(3));
        let [first, _] = with_a_room(&mut world);
        let nodes = world.node_ids();
        let (draining, other) = (nodes[1], nodes[0]);
        world.act(first, lobby::Input::Drain);
        world.cut(draining, other);
        world.cut(other, draining);
        world.pass(Duration::from_secs(2));
        world.mend_cuts();
        world.faults.lost = 2;
        for _ in 0..500 {
            world.pass(Duration::from_millis(1));
            let mut peers = world.nodes[&other].fleet.peers();
            assert!(!peers.any(|peer| peer == (draining, false)), "seed {seed}");
        }
    }
}
