//! A node that drains.

use std::time::Duration;

use super::world::{World, user};
use crate::core::lobby;

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
