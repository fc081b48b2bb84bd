//! Skips that are too fast, on several nodes.

use std::time::Duration;

use super::world::{World, user};
use crate::core::lobby;

/// Skips of one user, each to somebody new who waits on another node; how many are matched at once.
fn matched_at_once(mut world: World, skips: u8) -> usize {
    world.pass(Duration::from_secs(3));
    let nodes = world.node_ids();
    let ada = world.connect(nodes[1], user(0), None).expect("connected");
    world.search(ada);
    let mut matched = 0;
    for n in 1..=skips {
        let partner = world.connect(nodes[2], user(n), None).expect("connected");
        world.search(partner);
        world.pass(Duration::from_millis(50));
        matched += usize::from(world.clients[&ada].room.is_some());
        world.act(ada, lobby::Input::Skip(ada));
    }
    matched
}

#[test]
fn a_user_who_skips_too_fast_waits_for_partners_on_other_nodes() {
    // The first match, and after the five skips that are free.
    assert_eq!(matched_at_once(World::new(1, 3), 12), 6);
}

#[test]
fn nobody_waits_where_skips_are_not_limited() {
    let mut world = World::new(1, 3);
    for node in world.nodes.values_mut() {
        node.fleet = node.fleet.clone().unpaced();
    }
    assert_eq!(matched_at_once(world, 12), 12);
}
