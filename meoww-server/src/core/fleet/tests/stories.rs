//! Single faults, and what users notice of them.

use std::time::Duration;

use super::world::{World, user};
use crate::core::{
    fleet::{BEAT, GIVEN_UP, MAX_LAG, RollSeat, SUSPECTED},
    lobby::{self, ConnId, Departure, SEAT_LEASE},
};

/// Three nodes that know each other, the first of which leads.
pub(super) fn fleet() -> World {
    let mut world = World::new(1, 3);
    world.pass(Duration::from_secs(3));
    assert_eq!(leader(&world), Some(1));
    world
}

pub(super) fn leader(world: &World) -> Option<u32> {
    let awake = world.nodes.iter().filter(|(_, node)| !node.is_paused);
    let leading = awake.filter(|(_, node)| node.fleet.is_matching());
    let leading: Vec<u32> = leading.map(|(id, _)| id.get()).collect();
    assert!(leading.len() < 2, "{leading:?} lead");
    leading.first().copied()
}

/// Two users on the second and third node, in a room.
pub(super) fn with_a_room(world: &mut World) -> [ConnId; 2] {
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
        world.cut(nodes[a], nodes[b]);
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

/// The other part has a newer term, and keeps the seat that was left.
#[test]
fn who_skips_in_one_part_keeps_the_next_room() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let [left, skips, next] = [(1, 1), (0, 2), (0, 3)]
        .map(|(node, name)| world.connect(nodes[node], user(name), None).expect("connected"));
    world.search(left);
    world.search(skips);
    world.pass(Duration::from_millis(50));
    assert!(world.clients[&skips].room.is_some(), "not matched");
    for other in [nodes[1], nodes[2]] {
        world.cut(other, nodes[0]);
        world.cut(nodes[0], other);
    }
    world.pass(Duration::from_secs(3));
    world.act(skips, lobby::Input::Skip(skips));
    world.search(next);
    world.pass(Duration::from_secs(1));
    let room = world.clients[&next].room.expect("matched in its part").id;
    world.heal();
    let rooms = [skips, next].map(|conn| world.clients[&conn].room.map(|room| room.id));
    assert_eq!(rooms, [Some(room); 2]);
    assert!(world.clients[&left].room.is_none(), "it is told");
}

/// Two users, in a room after at most this time.
fn meet(world: &mut World, [first, second]: [usize; 2], names: [u8; 2], patience: Duration) {
    let nodes = world.node_ids();
    let conns = [(first, names[0]), (second, names[1])].map(|(node, name)| {
        let conn = world.connect(nodes[node], user(name), None).expect("connected");
        world.search(conn);
        conn
    });
    world.pass(patience);
    let rooms = conns.map(|conn| world.clients[&conn].room.expect("a room"));
    assert_eq!(rooms[0].id, rooms[1].id);
    let before = world.relays;
    for conn in conns {
        world.relay(conn);
    }
    world.pass(Duration::from_millis(50));
    if first != second {
        assert_eq!(world.relays, before + 2, "relays between {first} and {second}");
    }
}

fn round(world: &World) -> u64 {
    let terms = world.nodes.values().filter_map(|node| node.fleet.term());
    terms.map(|term| term.round).max().expect("a term")
}

#[test]
fn a_node_that_hears_all_leads_where_two_do_not_hear_each_other() {
    for cuts in [&[[0, 1], [1, 0]][..], &[[0, 1]], &[[1, 0]]] {
        let mut world = fleet();
        let nodes = world.node_ids();
        for [from, to] in cuts {
            world.cut(nodes[*from], nodes[*to]);
        }
        world.pass(Duration::from_secs(5));
        assert_eq!(leader(&world), Some(3), "{cuts:?}");
        let settled = round(&world);
        meet(&mut world, [0, 1], [1, 2], Duration::from_millis(100));
        meet(&mut world, [0, 2], [3, 4], Duration::from_millis(100));
        world.pass(Duration::from_secs(120));
        assert_eq!(round(&world), settled, "{cuts:?}");
        assert!(world.clients.values().all(|client| client.room.is_some()), "calls go on");
    }
}

/// A chain of nodes, each of which hears only its neighbours: none hears all.
#[test]
fn the_lead_changes_seldom_where_no_node_hears_all() {
    let mut world = World::new(1, 4);
    world.pass(Duration::from_secs(3));
    let nodes = world.node_ids();
    for [a, b] in [[0, 2], [0, 3], [1, 3]] {
        world.cut(nodes[a], nodes[b]);
        world.cut(nodes[b], nodes[a]);
    }
    world.pass(Duration::from_secs(10));
    let settled = round(&world);
    for (at, name) in [(0, 1), (1, 3), (2, 5), (3, 7)] {
        meet(&mut world, [at, at], [name, name + 1], Duration::from_secs(15));
    }
    world.pass(Duration::from_secs(60));
    let changes = round(&world) - settled;
    assert!(changes <= 24, "{changes} changes of the lead in two minutes");
    assert!(world.clients.values().all(|client| client.room.is_some()), "calls go on");
}

/// The lease of a seat goes on where the last matcher left it.
#[test]
fn a_new_matcher_does_not_keep_a_seat_anew() {
    let mut world = fleet();
    let [first, _] = with_a_room(&mut world);
    let nodes = world.node_ids();
    world.crash(nodes[2]);
    world.pass(SEAT_LEASE / 2);
    world.crash(nodes[0]);
    world.pass(SEAT_LEASE / 2);
    assert_eq!(leader(&world), Some(2));
    assert!(world.clients[&first].room.is_some(), "the node was given up a second after its crash");
    world.pass(GIVEN_UP + Duration::from_secs(1));
    assert!(world.clients[&first].room.is_none(), "the lease began again");
}

/// Without a relay and without a roll.
#[test]
fn a_room_without_a_partner_ends_by_itself() {
    for other in [1, 2] {
        let mut world = fleet();
        let nodes = world.node_ids();
        let conns = [(1, 1), (other, 2)].map(|(node, name): (usize, u8)| {
            let conn = world.connect(nodes[node], user(name), None).expect("connected");
            world.search(conn);
            conn
        });
        world.pass(Duration::from_millis(50));
        assert!(world.clients[&conns[0]].room.is_some());
        world.pass(Duration::from_secs(10));
        assert!(world.clients[&conns[0]].room.is_some(), "the check finds both");
        // A fault that nothing in the protocol accounts for.
        world.lose_seat(conns[1]);
        world.pass(Duration::from_secs(3));
        assert!(world.clients[&conns[0]].room.is_none(), "the partner is on {other}");
    }
}

/// Both lose their connection to one node, and one is back when another node begins to match.
#[test]
fn two_seats_of_one_room_are_kept_on_one_node() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let conns = [1, 2].map(|name| {
        let conn = world.connect(nodes[1], user(name), None).expect("connected");
        world.search(conn);
        conn
    });
    world.pass(Duration::from_millis(50));
    let room = world.clients[&conns[0]].room.expect("a room").id;
    for conn in conns {
        world.act(conn, lobby::Input::Disconnect(conn, Departure::Lost));
    }
    let again = world.connect(nodes[1], user(1), Some(room)).expect("connected");
    world.pass(Duration::from_millis(50));
    world.crash(nodes[0]);
    world.pass(Duration::from_secs(4));
    assert_eq!(leader(&world), Some(2));
    assert_eq!(world.clients[&again].room.map(|it| it.id), Some(room), "the other may come back");
    let partner = world.connect(nodes[2], user(2), Some(room)).expect("connected");
    world.pass(Duration::from_millis(50));
    assert_eq!(world.clients[&partner].room.map(|it| it.id), Some(room));
}

/// The node does not hear that the room opens, nor that the partner is lost, before it tells its roll anew.
#[test]
fn a_match_heard_late_says_that_the_partner_is_away() {
    let mut world = fleet();
    let nodes = world.node_ids();
    let conns = [1, 2].map(|at| {
        let conn = world.connect(nodes[at], user(at as u8), None).expect("connected");
        world.search(conn);
        conn
    });
    let is_held = |world: &World| {
        let report = world.nodes[&nodes[1]].fleet.hub().report(conns[0], world.now);
        matches!(report.expect("connected").seat, RollSeat::Seated { is_open: false, .. })
    };
    while !is_held(&world) {
        world.pass(Duration::from_micros(100));
    }
    world.cut(nodes[0], nodes[1]);
    world.pass(Duration::from_millis(50));
    assert!(world.clients[&conns[1]].room.is_some() && world.clients[&conns[0]].room.is_none());
    world.act(conns[1], lobby::Input::Disconnect(conns[1], Departure::Lost));
    world.pass(GIVEN_UP + Duration::from_millis(500));
    world.mend_cuts();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.clients[&conns[0]].room.expect("matched").partner, None);
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

/// It has resigned before the others take it for lost, and they do not wait for it.
#[test]
fn another_node_leads_at_once_after_a_short_standstill_of_the_matcher() {
    let mut world = fleet();
    let nodes = world.node_ids();
    world.pause(nodes[0], true);
    world.pass(MAX_LAG + Duration::from_millis(100));
    world.pause(nodes[0], false);
    world.pass(BEAT + Duration::from_millis(50));
    assert_eq!(leader(&world), Some(2));
    meet(&mut world, [0, 2], [1, 2], Duration::from_millis(50));
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

/// The only node that is left leads as soon as it has noticed: nothing of that moment waits for another.
#[test]
fn a_seat_kept_until_there_was_no_matcher_is_given_up() {
    let mut world = fleet();
    let [first, second] = with_a_room(&mut world);
    world.act(second, lobby::Input::Disconnect(second, Departure::Lost));
    world.pass(SEAT_LEASE - Duration::from_millis(500));
    let nodes = world.node_ids();
    world.crash(nodes[0]);
    world.crash(nodes[2]);
    assert!(world.clients[&first].room.is_some(), "it is kept");
    world.pass(Duration::from_millis(1500));
    assert_eq!(leader(&world), Some(2));
    assert!(world.clients[&first].room.is_none());
}
