//! Rooms whose members are both at the node that matches, when it is gone.

use std::time::Duration;

use meoww_proto::RoomId;

use super::{
    stories::{fleet, leader},
    world::{World, user},
};
use crate::core::lobby::{self, ConnId, Departure, SEAT_LEASE};

/// Two users in a room, both at the node that matches.
fn meet_at_the_matcher(world: &mut World) -> ([ConnId; 2], RoomId) {
    let nodes = world.node_ids();
    let conns = [1, 2].map(|name| {
        let conn = world.connect(nodes[0], user(name), None).expect("connected");
        world.search(conn);
        conn
    });
    world.pass(Duration::from_millis(20));
    (conns, world.clients[&conns[0]].room.expect("matched").id)
}

/// Asks for the room at the two other nodes, the second user after a while.
fn come_back(world: &mut World, room: RoomId, after: Duration) -> [ConnId; 2] {
    let nodes = world.node_ids();
    let at = [nodes[0], nodes[nodes.len() - 1]];
    let first = world.connect(at[0], user(1), Some(room)).expect("connected");
    world.pass(after);
    let second = world.connect(at[1], user(2), Some(room)).expect("connected");
    world.pass(Duration::from_secs(4));
    [first, second]
}

fn room_of(world: &World, conn: ConnId) -> Option<RoomId> {
    world.clients[&conn].room.map(|room| room.id)
}

fn talk(world: &mut World, conns: [ConnId; 2]) {
    let before = world.relays;
    for conn in conns {
        world.relay(conn);
    }
    world.pass(Duration::from_millis(50));
    assert_eq!(world.relays, before + 2, "each hears the other");
}

#[test]
fn both_go_on_at_other_nodes() {
    for seconds in [0, 1, 5, 20] {
        let mut world = fleet();
        let (_, room) = meet_at_the_matcher(&mut world);
        let nodes = world.node_ids();
        world.crash(nodes[0]);
        let back = come_back(&mut world, room, Duration::from_secs(seconds));
        assert_eq!(back.map(|conn| room_of(&world, conn)), [Some(room); 2], "{seconds}");
        talk(&mut world, back);
    }
}

/// One node after the other is gone, and each time the two are both at the one that matches.
#[test]
fn the_copy_follows_the_nodes_there_are() {
    let mut world = World::new(1, 4);
    world.pass(Duration::from_secs(3));
    let (_, room) = meet_at_the_matcher(&mut world);
    // The node that kept it, and another has to.
    let nodes = world.node_ids();
    world.crash(nodes[1]);
    world.pass(Duration::from_secs(5));
    world.crash(nodes[0]);
    world.pass(Duration::from_secs(2));
    assert_eq!(leader(&world), Some(3));
    let [first, second] = [1, 2].map(|name| world.connect(nodes[2], user(name), Some(room)));
    world.pass(Duration::from_secs(1));
    for conn in [first, second] {
        assert_eq!(room_of(&world, conn.expect("connected")), Some(room));
    }
    world.crash(nodes[2]);
    let back = [1, 2].map(|name| world.connect(nodes[3], user(name), Some(room)));
    world.pass(Duration::from_secs(4));
    for conn in back {
        assert_eq!(room_of(&world, conn.expect("connected")), Some(room));
    }
}

#[test]
fn a_node_that_leads_later_copies_the_rooms_it_has() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let conns = [1, 2].map(|name| {
        let conn = world.connect(nodes[1], user(name), None).expect("connected");
        world.search(conn);
        conn
    });
    world.pass(Duration::from_millis(50));
    let room = room_of(&world, conns[0]).expect("matched");
    world.crash(nodes[0]);
    world.pass(Duration::from_secs(3));
    world.crash(nodes[1]);
    let back = [1, 2].map(|name| world.connect(nodes[2], user(name), Some(room)));
    world.pass(Duration::from_secs(4));
    for conn in back {
        assert_eq!(room_of(&world, conn.expect("connected")), Some(room));
    }
}

#[test]
fn a_room_that_was_left_does_not_come_back() {
    let leave: [fn(ConnId) -> lobby::Input; 4] = [
        lobby::Input::Skip,
        lobby::Input::Leave,
        |conn| lobby::Input::Disconnect(conn, Departure::Clean),
        |_| lobby::Input::Block { user: user(1), blocked: user(2) },
    ];
    for leave in leave {
        let mut world = fleet();
        let ([first, _], room) = meet_at_the_matcher(&mut world);
        world.act(first, leave(first));
        world.pass(Duration::from_millis(20));
        let nodes = world.node_ids();
        world.crash(nodes[0]);
        let back = come_back(&mut world, room, Duration::ZERO);
        assert_eq!(back.map(|conn| room_of(&world, conn)), [None; 2]);
    }
}

#[test]
fn a_stranger_who_names_the_room_is_not_in_it() {
    let mut world = fleet();
    let (_, room) = meet_at_the_matcher(&mut world);
    let nodes = world.node_ids();
    world.crash(nodes[0]);
    let other = world.connect(nodes[1], user(3), Some(room)).expect("connected");
    world.pass(Duration::from_secs(4));
    assert!(world.clients[&other].is_welcome && room_of(&world, other).is_none());
    let back = come_back(&mut world, room, Duration::ZERO);
    assert_eq!(back.map(|conn| room_of(&world, conn)), [Some(room); 2]);
}

#[test]
fn who_starts_afresh_ends_the_room_for_the_other() {
    for is_first in [true, false] {
        let mut world = fleet();
        let (_, room) = meet_at_the_matcher(&mut world);
        let nodes = world.node_ids();
        world.crash(nodes[0]);
        let names = if is_first { [1, 2] } else { [2, 1] };
        let conns = names.map(|name| {
            let resume = (name == 2).then_some(room);
            let conn = world.connect(nodes[1], user(name), resume).expect("connected");
            if resume.is_none() {
                world.search(conn);
            }
            conn
        });
        world.pass(Duration::from_secs(4));
        assert_eq!(conns.map(|conn| room_of(&world, conn)), [None; 2]);
    }
}

#[test]
fn a_copy_is_kept_no_longer_than_a_seat() {
    let mut world = fleet();
    let (_, room) = meet_at_the_matcher(&mut world);
    let nodes = world.node_ids();
    world.crash(nodes[0]);
    world.pass(SEAT_LEASE + Duration::from_secs(3));
    let back = come_back(&mut world, room, Duration::ZERO);
    assert_eq!(back.map(|conn| room_of(&world, conn)), [None; 2]);
}

/// Blocked elsewhere meanwhile, as the database says to the node where the user arrives.
#[test]
fn a_blocked_pair_is_not_brought_back() {
    let mut world = fleet();
    let (_, room) = meet_at_the_matcher(&mut world);
    let nodes = world.node_ids();
    let window = world.connect(nodes[1], user(1), None).expect("connected");
    world.crash(nodes[0]);
    world.act(window, lobby::Input::Block { user: user(1), blocked: user(2) });
    let back = come_back(&mut world, room, Duration::ZERO);
    assert_eq!(back.map(|conn| room_of(&world, conn)), [None; 2]);
}

/// The node that stood still comes back with the two, who are still there.
#[test]
fn a_standstill_of_the_matcher_ends_no_room() {
    let mut world = fleet();
    let (conns, room) = meet_at_the_matcher(&mut world);
    let nodes = world.node_ids();
    world.pause(nodes[0], true);
    world.pass(Duration::from_secs(5));
    assert_eq!(leader(&world), Some(2));
    world.pause(nodes[0], false);
    world.pass(Duration::from_secs(10));
    assert_eq!(conns.map(|conn| room_of(&world, conn)), [Some(room); 2]);
}
