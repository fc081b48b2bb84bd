//! Blocks of users, and pairs that are kept apart, on several nodes.

use std::time::Duration;

use super::{
    stories::{fleet, leader, with_a_room},
    world::user,
};
use crate::core::{
    fleet::MAX_BLOCKS,
    lobby::{self, Departure, MISMATCH_WAIT},
};

/// Two nodes of a user tell the matcher of a block and of its end, the earlier one later.
#[test]
fn the_last_change_of_blocks_counts_whatever_comes_first() {
    let block = lobby::Input::Block { user: user(1), blocked: user(2) };
    let unblock = lobby::Input::Unblock { user: user(1), blocked: user(2) };
    for (changes, is_blocked) in [([block, unblock], false), ([unblock, block], true)] {
        let mut world = fleet();
        let nodes = world.node_ids();
        let conns = [nodes[1], nodes[2]].map(|node| world.connect(node, user(1), None));
        let [late, early] = conns.map(|conn| conn.expect("connected"));
        if is_blocked {
            world.act(early, block);
        }
        world.pass(Duration::from_secs(2));
        world.cut(nodes[1], nodes[0]);
        world.act(late, changes[0]);
        world.act(early, changes[1]);
        world.pass(Duration::from_millis(300));
        world.mend_cuts();
        // It comes with the next beat, and long before the database is asked.
        for _ in 0..30 {
            let matcher = world.nodes[&nodes[0]].fleet.matcher().expect("it leads");
            let is_known = matcher.blocks_of(user(1)).contains(&user(2));
            assert_eq!(is_known, is_blocked, "after {changes:?}");
            world.pass(Duration::from_millis(10));
        }
    }
}

/// The matcher tells the hub of the blocks while it still knows an old connection of their user, and
/// forgets them with that one before it hears of the new one.
#[test]
fn blocks_are_told_again_that_a_hub_knows_from_the_matcher() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let old = world.connect(nodes[2], user(1), None).expect("connected");
    let window = world.connect(nodes[0], user(1), None).expect("connected");
    world.pass(Duration::from_millis(50));
    // Messages of the third node are lost, and sent again.
    world.cut(nodes[2], nodes[0]);
    world.act(old, lobby::Input::Disconnect(old, Departure::Clean));
    world.connect(nodes[2], user(1), None).expect("connected");
    world.act(window, lobby::Input::Block { user: user(1), blocked: user(2) });
    world.act(window, lobby::Input::Disconnect(window, Departure::Clean));
    world.pass(Duration::from_millis(20));
    world.mend_cuts();
    world.pass(Duration::from_secs(3));
    let matcher = world.nodes[&nodes[0]].fleet.matcher().expect("it leads");
    assert!(matcher.blocks_of(user(1)).contains(&user(2)));
}

/// Of more blocks than fit into one part.
#[test]
fn a_new_matcher_knows_all_blocks() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let conn = world.connect(nodes[1], user(1), None).expect("connected");
    let blocked = 2..=(2 * MAX_BLOCKS as u8);
    for blocked in blocked.clone() {
        world.act(conn, lobby::Input::Block { user: user(1), blocked: user(blocked) });
    }
    world.act(conn, lobby::Input::Unblock { user: user(1), blocked: user(9) });
    world.crash(nodes[0]);
    world.pass(Duration::from_secs(4));
    let matcher = world.nodes[&nodes[1]].fleet.matcher().expect("it leads");
    let blocks = blocked.filter(|it| *it != 9).map(user);
    assert!(matcher.blocks_of(user(1)).into_iter().eq(blocks));
}

#[test]
fn a_new_matcher_takes_over_no_room_of_a_blocked_pair() {
    let mut world = fleet();
    let [first, _] = with_a_room(&mut world);
    let nodes = world.node_ids();
    // The matcher and the partner's node die before they hear of the block.
    world.act(first, lobby::Input::Block { user: user(1), blocked: user(2) });
    world.crash(nodes[0]);
    world.crash(nodes[2]);
    world.pass(Duration::from_secs(4));
    assert_eq!(leader(&world), Some(2));
    assert!(world.clients[&first].room.is_none());
}

/// The matcher has not answered, or is gone.
#[test]
fn who_blocks_may_search_at_once() {
    for is_gone in [false, true] {
        let mut world = fleet();
        let [first, second] = with_a_room(&mut world);
        if is_gone {
            let nodes = world.node_ids();
            world.crash(nodes[0]);
        }
        world.act(first, lobby::Input::Block { user: user(1), blocked: user(2) });
        world.search(first);
        assert!(world.clients[&first].is_searching, "the room is over");
        world.pass(Duration::from_secs(4));
        assert!(world.clients[&second].room.is_none(), "the other is told");
        let matcher = world.nodes.values().find_map(|node| node.fleet.matcher());
        assert!(matcher.expect("one leads").is_queued(first));
    }
}

/// The second connection comes just before the two may meet again.
#[test]
fn a_pair_is_kept_apart_no_longer_by_a_new_connection() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let first = world.connect(nodes[1], user(1), None).expect("connected");
    let other = world.connect(nodes[2], user(2), None).expect("connected");
    world.act(first, lobby::Input::Mismatch { user: user(1), other: user(2) });
    world.pass(MISMATCH_WAIT - Duration::from_secs(1));
    world.connect(nodes[1], user(1), None).expect("connected");
    world.search(first);
    world.search(other);
    world.pass(Duration::from_millis(500));
    assert!(world.clients[&first].room.is_none(), "the two are still kept apart");
    world.pass(Duration::from_secs(2));
    assert!(world.clients[&first].room.is_some());
}

/// The matcher takes the old connection out, and with the last one of its user forgets the blocks. The
/// hub, which hears of it late, has a newer connection of the user by then.
#[test]
fn blocks_are_told_again_with_each_connection() {
    let mut world = fleet();
    let [first, _] = with_a_room(&mut world);
    let nodes = world.node_ids();
    let room = world.clients[&first].room.expect("a room").id;
    world.act(first, lobby::Input::Block { user: user(1), blocked: user(3) });
    world.act(first, lobby::Input::Mismatch { user: user(1), other: user(4) });
    world.pass(Duration::from_millis(50));
    world.cut(nodes[0], nodes[1]);
    let moved = world.connect(nodes[2], user(1), Some(room)).expect("connected");
    world.pass(Duration::from_millis(50));
    world.act(moved, lobby::Input::Disconnect(moved, Departure::Clean));
    world.pass(Duration::from_millis(50));
    let newer = world.connect(nodes[1], user(1), None).expect("connected");
    world.pass(Duration::from_millis(50));
    world.mend_cuts();
    world.pass(Duration::from_secs(1));
    assert!(!world.clients.contains_key(&first), "displaced");
    let matcher = world.nodes[&nodes[0]].fleet.matcher().expect("it leads");
    assert!(matcher.blocks_of(user(1)).contains(&user(3)));
    let other = world.connect(nodes[2], user(4), None).expect("connected");
    world.search(newer);
    world.search(other);
    world.pass(Duration::from_millis(50));
    assert!(world.clients[&other].room.is_none(), "the two could not see each other");
}
