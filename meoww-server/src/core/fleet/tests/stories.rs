//! Single faults, and what users notice of them.

use std::time::Duration;

use super::world::{World, user};
use crate::core::{
    fleet::{GIVEN_UP, SUSPECTED},
    lobby::{self, ConnId},
};

/// Three nodes that know each other, the first of which leads.
fn fleet() -> World {
    let mut world = World::new(1, 3);
    world.pass(Duration::from_secs(3));
    assert_eq!(leader(&world), Some(1));
    world
}

fn leader(world: &World) -> Option<u32> {
    let awake = world.nodes.iter().filter(|(_, node)| !node.is_paused);
    let leading = awake.filter(|(_, node)| node.fleet.is_matching());
    let leading: Vec<u32> = leading.map(|(id, _)| id.get()).collect();
    assert!(leading.len() < 2, "{leading:?} lead");
    leading.first().copied()
}

/// Two users on the second and third node, in a room.
fn with_a_room(world: &mut World) -> [ConnId; 2] {
    let nodes = world.node_ids();
    let first = world.connect(nodes[1], user(1), None).expect("connected");
    let second = world.connect(nodes[2], user(2), None).expect("connected");
    world.search(first);
    world.search(second);
    world.pass(Duration::from_millis(50));
    assert!(world.clients[&first].room.is_some(), "not matched");
    [first, second]
}

#[test]
fn two_on_different_nodes_meet_within_milliseconds() {
    let mut world = fleet();
    let [first, second] = with_a_room(&mut world);
    assert_eq!(world.clients[&first].room.expect("a room").partner, Some(second));
    world.relay(first);
    world.relay(second);
    world.pass(Duration::from_millis(10));
    assert_eq!(world.relays, 2);
}

#[test]
fn a_room_outlives_the_matcher() {
    let mut world = fleet();
    let [first, second] = with_a_room(&mut world);
    let room = world.clients[&first].room.expect("a room").id;
    let nodes = world.node_ids();
    world.crash(nodes[0]);
    world.pass(Duration::from_secs(4));
    assert_eq!(leader(&world), Some(2));
    for conn in [first, second] {
        assert_eq!(world.clients[&conn].room.expect("a room").id, room);
    }
}

#[test]
fn two_meet_within_two_seconds_of_the_matchers_end() {
    for seed in 0..20 {
        let mut world = World::new(seed, 3);
        world.pass(Duration::from_secs(3));
        let nodes = world.node_ids();
        world.crash(nodes[0]);
        let first = world.connect(nodes[1], user(1), None).expect("connected");
        let second = world.connect(nodes[2], user(2), None).expect("connected");
        world.search(first);
        world.search(second);
        world.pass(Duration::from_secs(2));
        assert!(world.clients[&first].room.is_some() && world.clients[&second].room.is_some());
    }
}

#[test]
fn a_client_goes_on_at_another_node() {
    let mut world = fleet();
    let [first, second] = with_a_room(&mut world);
    let room = world.clients[&first].room.expect("a room").id;
    let nodes = world.node_ids();
    world.crash(nodes[2]);
    let again = world.connect(nodes[0], user(2), Some(room)).expect("connected");
    world.pass(GIVEN_UP + Duration::from_secs(1));
    assert_eq!(world.clients[&again].room.expect("its room").id, room);
    assert_eq!(world.clients[&first].room.expect("a room").partner, Some(again));
    assert!(!world.clients.contains_key(&second));
}

#[test]
fn each_part_matches_its_own_and_the_newest_term_wins() {
    let mut world = fleet();
    let nodes = world.node_ids();
    for [a, b] in [[0, 1], [1, 0], [0, 2], [2, 0]] {
        world.cuts.insert((nodes[a], nodes[b]));
    }
    let conns = [(0, 1), (0, 2), (1, 3), (2, 4)].map(|(node, name)| {
        let conn = world.connect(nodes[node], user(name), None).expect("connected");
        world.search(conn);
        conn
    });
    world.pass(SUSPECTED + Duration::from_millis(1000));
    let rooms = conns.map(|conn| world.clients[&conn].room.expect("a room").id);
    assert!(rooms[0] == rooms[1] && rooms[2] == rooms[3]);
    world.heal();
    assert_eq!(leader(&world), Some(2));
    let still = conns.map(|conn| world.clients[&conn].room.expect("a room").id);
    assert_eq!(still, rooms);
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

#[test]
fn presence_is_that_of_all_nodes() {
    let mut world = fleet();
    for (name, node) in (1..).zip(world.node_ids()) {
        world.connect(node, user(name), None);
        world.connect(node, user(9), None);
    }
    world.pass(Duration::from_secs(1));
    for node in world.nodes.values() {
        assert_eq!(node.fleet.presence().online, 4);
    }
}

#[test]
fn a_new_matcher_hears_all_hubs_before_it_matches() {
    let mut world = fleet();
    let [first, second] = with_a_room(&mut world);
    let nodes = world.node_ids();
    world.crash(nodes[0]);
    // Of one who is in a room that only the third node knows, at the node that will lead.
    let in_call = world.connect(nodes[1], user(2), None).expect("connected");
    let waiting = world.connect(nodes[1], user(3), None).expect("connected");
    world.search(in_call);
    world.search(waiting);
    world.pass(Duration::from_secs(2));
    assert_eq!(leader(&world), Some(2));
    assert!(!world.clients[&in_call].is_searching, "it is told");
    for conn in [in_call, waiting] {
        assert!(world.clients[&conn].room.is_none());
    }
    for conn in [first, second] {
        assert!(world.clients[&conn].room.is_some(), "the call goes on");
    }
}

#[test]
fn an_order_of_a_term_that_is_over_changes_nothing() {
    let mut world = fleet();
    let [first, _] = with_a_room(&mut world);
    let nodes = world.node_ids();
    let room = world.clients[&first].room.expect("a room").id;
    world.pause(nodes[0], true);
    world.pass(Duration::from_secs(4));
    assert_eq!(leader(&world), Some(2), "of those that are awake");
    // What the old matcher has heard only now, and answers.
    world.pause(nodes[0], false);
    world.pass(Duration::from_secs(4));
    assert_eq!(leader(&world), Some(2));
    assert_eq!(world.clients[&first].room.expect("a room").id, room);
}
