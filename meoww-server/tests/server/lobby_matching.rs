//! The lobby in virtual time: stories of who meets whom.

use std::time::Duration;

use meoww_proto::{
    error::SignalErrorCode,
    tags::{MAX_TAG_WAIT, Tag},
};
use meoww_server::core::lobby::{
    ConnId, Departure, Effect, Input, MISMATCH_WAIT, REMATCH_WAIT, SEAT_LEASE, SearchCriteria,
};

use crate::lobby::{World, matched_conns, matched_room, user};

const WAIT: Duration = Duration::from_secs(10);
const INSTANT: Duration = Duration::from_nanos(1);

/// Tags by their initials.
fn tags(initials: &str) -> Vec<Tag> {
    initials.chars().map(|initial| initial.to_string().parse().expect("a tag")).collect()
}

impl World {
    fn with_users(count: u8) -> Self {
        let mut world = Self::new(1);
        for n in 1..=count {
            world.connect(n.into(), n);
        }
        world
    }

    /// Who is matched by it, and that the user is told if nobody is.
    fn search_for(&mut self, conn: u64, initials: &str, wait: Duration) -> Vec<u64> {
        let criteria = SearchCriteria::new(&tags(initials), wait);
        let effects = self.handle(Input::Search(ConnId(conn), criteria));
        let matched = matched_conns(&effects);
        if matched.is_empty() {
            assert_eq!(effects, [Effect::Searching(ConnId(conn))]);
        }
        matched
    }

    fn block(&mut self, name: u8, blocked: u8) -> Vec<Effect> {
        self.handle(Input::Block { user: user(name), blocked: user(blocked) })
    }
}

#[test]
fn a_common_tag_comes_before_age_and_age_before_everything_else() {
    let mut world = World::with_users(6);
    assert!(world.search_for(1, "ab", WAIT).is_empty());
    assert!(world.search_for(2, "c", WAIT).is_empty());
    assert!(world.search_for(3, "", WAIT).is_empty(), "those two want a tag yet");
    assert_eq!(world.search_for(4, "xc", WAIT), [2, 4]);
    assert_eq!(world.search_for(5, "bca", WAIT), [1, 5]);
    assert_eq!(world.search_for(6, "", WAIT), [3, 6]);
}

#[test]
fn who_loses_the_connection_keeps_the_turn() {
    let met_after = |departure, away, tags| {
        let mut world = World::with_users(3);
        world.block(1, 2);
        assert!(world.search_for(1, "", Duration::ZERO).is_empty());
        assert!(world.search_for(2, "", Duration::ZERO).is_empty());
        world.handle(Input::Disconnect(ConnId(1), departure));
        world.after(away);
        world.connect(4, 1);
        world.block(1, 2);
        assert!(world.search_for(4, tags, Duration::ZERO).is_empty());
        world.search_for(3, "", Duration::ZERO)
    };
    let soon = Duration::from_secs(29);
    assert_eq!(met_after(Departure::Lost, soon, ""), [3, 4]);
    assert_eq!(met_after(Departure::Lost, SEAT_LEASE, ""), [2, 3], "too late");
    assert_eq!(met_after(Departure::Lost, soon, "a"), [2, 3], "on other terms");
    assert_eq!(met_after(Departure::Clean, soon, ""), [2, 3], "by its own doing");
}

#[test]
fn the_older_of_two_with_a_common_tag_is_met() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut world = World::with_users(3);
        world.block(1, 2);
        assert!(world.search_for(first, "a", WAIT).is_empty());
        assert!(world.search_for(second, "ab", WAIT).is_empty());
        assert_eq!(world.search_for(3, "ba", WAIT), [first, 3]);
    }
}

#[test]
fn after_the_wait_anyone_will_do_who_wants_anyone() {
    let mut world = World::with_users(3);
    assert!(world.search_for(1, "a", WAIT).is_empty());
    assert!(world.search_for(2, "b", 2 * WAIT).is_empty());
    assert!(world.after(WAIT).is_empty(), "one of them still wants a tag");
    assert!(world.after(WAIT - INSTANT).is_empty());
    assert_eq!(matched_conns(&world.after(INSTANT)), [1, 2]);
    assert!(world.search_for(3, "c", MAX_TAG_WAIT).is_empty());
    assert_eq!(world.lobby.poll_timeout(), Some(world.now + MAX_TAG_WAIT));
}

#[test]
fn who_waited_long_enough_is_there_for_the_next() {
    let mut world = World::with_users(3);
    assert!(world.search_for(1, "a", WAIT).is_empty());
    world.after(WAIT);
    assert!(world.search_for(2, "b", WAIT).is_empty());
    assert_eq!(world.search_for(3, "", WAIT), [1, 3]);
    world.handle(Input::Leave(ConnId(1)));
    assert!(world.search_for(1, "a", Duration::ZERO).is_empty(), "no wait, but 2 waits");
    assert_eq!(matched_conns(&world.after(WAIT)), [1, 2]);
}

#[test]
fn a_match_says_how_long_each_waited() {
    let mut world = World::with_users(2);
    world.search(1);
    world.now += WAIT;
    let effects = world.search(2);
    let waits = effects.iter().map(|effect| match effect {
        Effect::Matched { conn, waited, stranger, .. } => {
            assert_eq!(*stranger, user(if conn.0 == 1 { 2 } else { 1 }));
            (conn.0, *waited)
        }
        other => panic!("{other:?}"),
    });
    let mut waits: Vec<_> = waits.collect();
    waits.sort_unstable();
    assert_eq!(waits, [(1, WAIT), (2, Duration::ZERO)]);
}

#[test]
fn a_skip_searches_on_the_terms_of_the_last_search() {
    let mut world = World::with_users(4);
    world.search_for(1, "a", WAIT);
    assert_eq!(world.search_for(2, "a", WAIT), [1, 2]);
    world.search_for(3, "b", WAIT);
    world.handle(Input::Skip(ConnId(1)));
    assert_eq!(world.search_for(4, "a", WAIT), [1, 4]);
}

#[test]
fn other_terms_are_a_new_search_and_the_same_ones_are_not() {
    let mut world = World::with_users(4);
    world.block(1, 2);
    world.search(1);
    world.search(2);
    let again = Input::Search(ConnId(1), SearchCriteria::default());
    assert_eq!(world.handle(again), []);
    assert!(world.search_for(1, "a", Duration::ZERO).is_empty(), "at the end of the queue");
    assert_eq!(matched_conns(&world.search(3)), [2, 3]);
    assert_eq!(world.search_for(4, "a", WAIT), [1, 4]);
}

#[test]
fn two_who_cannot_see_each_other_meet_others_and_not_each_other_for_long() {
    for (name, other) in [(1, 2), (2, 1)] {
        let mut world = World::with_users(3);
        world.search(1);
        assert_eq!(matched_conns(&world.search(2)), [1, 2]);
        let mismatch = Input::Mismatch { user: user(name), other: user(other) };
        assert_eq!(world.handle(mismatch), [], "they can write to each other");
        world.handle(Input::Skip(ConnId(1)));
        assert!(world.search_for(2, "", WAIT).is_empty());
        assert!(world.after(REMATCH_WAIT).is_empty());
        assert_eq!(matched_conns(&world.search(3)), [1, 3]);
        world.handle(Input::Skip(ConnId(1)));
        assert!(world.after(MISMATCH_WAIT - REMATCH_WAIT - INSTANT).is_empty());
        assert_eq!(matched_conns(&world.after(INSTANT)), [1, 2]);
    }
}

#[test]
fn of_those_who_cannot_be_seen_the_last_sixteen_are_remembered() {
    let mut world = World::with_users(2);
    for n in 2..=18 {
        world.handle(Input::Mismatch { user: user(1), other: user(n) });
    }
    world.search(1);
    assert_eq!(matched_conns(&world.search(2)), [1, 2]);
}

#[test]
fn who_is_blocked_is_never_met_whoever_blocked_whom() {
    for (name, blocked) in [(1, 2), (2, 1)] {
        let mut world = World::with_users(3);
        world.block(name, blocked);
        assert!(world.search_for(1, "a", WAIT).is_empty());
        assert!(world.search_for(2, "a", WAIT).is_empty());
        assert!(world.after(MAX_TAG_WAIT).is_empty());
        assert_eq!(world.lobby.poll_timeout(), None, "nothing will change by itself");
        world.handle(Input::Unblock { user: user(blocked), blocked: user(name) });
        assert_eq!(world.lobby.counts().searching, 2, "not theirs to take back");
        let effects = world.handle(Input::Unblock { user: user(name), blocked: user(blocked) });
        assert_eq!(matched_conns(&effects), [1, 2]);
    }
}

#[test]
fn a_block_ends_the_room_of_the_two_and_no_other() {
    let (mut world, room) = World::with_a_room();
    assert_eq!(world.block(1, 3), []);
    let over = world.block(2, 1);
    assert_eq!(over.len(), 2);
    for conn in [1, 2] {
        assert!(over.contains(&Effect::RoomOver { conn: ConnId(conn), room }));
    }
    world.search(1);
    world.search(2);
    assert!(world.after(2 * REMATCH_WAIT).is_empty());
}

#[test]
fn a_flood_of_skips_is_slowed_and_recovers() {
    let mut world = World::with_users(2);
    let mut delays = Vec::new();
    for n in 3..15 {
        world.connect(n.into(), n);
        world.search(n.into());
        let started = world.now;
        let mut effects = world.handle(Input::Skip(ConnId(1)));
        while matched_room(&effects).is_none() {
            assert!(effects.iter().all(|effect| *effect != Effect::Draining(ConnId(1))));
            world.now = world.lobby.poll_timeout().expect("it will be matched");
            effects = world.handle(Input::Timeout);
        }
        delays.push(world.now - started);
    }
    // The first skip left nobody.
    assert!(delays[..6].iter().all(Duration::is_zero), "{delays:?}");
    assert!(delays[6..].is_sorted() && delays[6] >= Duration::from_millis(500), "{delays:?}");
    assert!(delays[11] < Duration::from_secs(5));
    world.now += Duration::from_secs(30);
    world.search(2);
    assert_eq!(matched_conns(&world.handle(Input::Skip(ConnId(1)))), [1, 2]);
}

#[test]
fn leaving_and_searching_is_no_way_around_the_pace() {
    let mut world = World::with_users(2);
    for n in 3..9 {
        world.connect(n.into(), n);
        world.search(n.into());
        assert_eq!(matched_conns(&world.search(1)), [1, n.into()]);
        world.handle(Input::Leave(ConnId(1)));
    }
    world.search(2);
    assert_eq!(world.search(1), [Effect::Searching(ConnId(1))], "as if nobody were there");
    assert_eq!(matched_conns(&world.after(Duration::from_millis(500))), [1, 2]);
}

#[test]
fn no_way_of_leaving_goes_around_the_pace() {
    type Leave = fn(&mut World, u64, u8);
    let clean: Leave = |world, conn, _| {
        world.handle(Input::Disconnect(ConnId(conn), Departure::Clean));
    };
    let lost: Leave = |world, conn, _| {
        world.handle(Input::Disconnect(ConnId(conn), Departure::Lost));
    };
    let block: Leave = |world, _, partner| {
        world.handle(Input::Block { user: user(1), blocked: user(partner) });
    };
    let block_and_go: Leave = |world, conn, partner| {
        world.handle(Input::Block { user: user(1), blocked: user(partner) });
        world.handle(Input::Disconnect(ConnId(conn), Departure::Clean));
    };
    for leave in [clean, lost, block, block_and_go] {
        let mut world = World::new(1);
        world.connect(2, 2);
        for n in 3..9 {
            let mine = 100 + u64::from(n);
            world.connect(n.into(), n);
            world.search(n.into());
            world.connect(mine, 1);
            assert_eq!(matched_conns(&world.search(mine)), [n.into(), mine]);
            leave(&mut world, mine, n);
        }
        world.search(2);
        world.connect(200, 1);
        assert_eq!(world.search(200).last(), Some(&Effect::Searching(ConnId(200))));
        assert_eq!(matched_conns(&world.after(Duration::from_millis(500))), [2, 200]);
    }
}

#[test]
fn a_lobby_that_drains_matches_nobody_and_ends_no_call() {
    let (mut world, room) = World::with_a_room();
    for n in 3..=5 {
        world.connect(n.into(), n);
    }
    world.search_for(3, "a", WAIT);
    world.search_for(4, "b", WAIT);
    assert_eq!(world.handle(Input::Drain), []);
    assert_eq!(world.search(5), [Effect::Draining(ConnId(5))]);
    assert_eq!(world.after(MAX_TAG_WAIT), []);
    assert_eq!(world.lobby.poll_timeout(), None, "nothing to come back for");
    let counts = world.lobby.counts();
    assert_eq!((counts.searching, counts.rooms, counts.draining), (2, 1, true));
    let skipped = world.handle(Input::Skip(ConnId(1)));
    assert_eq!(skipped.last(), Some(&Effect::Draining(ConnId(1))));
    assert!(skipped.contains(&Effect::RoomOver { conn: ConnId(2), room }));
}

#[test]
fn counts_and_rooms_say_what_there_is() {
    let (mut world, room) = World::with_a_room();
    let matched_at = world.now;
    world.connect(3, 3);
    world.connect(4, 3);
    world.search(4);
    assert_eq!(world.search(3)[0], Effect::Refused(ConnId(4), SignalErrorCode::TakenOver));
    let counts = world.lobby.counts();
    assert_eq!((counts.connections, counts.users, counts.searching), (4, 3, 1));
    assert_eq!((counts.rooms, counts.matches), (1, 1));
    let rooms: Vec<_> = world.lobby.rooms().collect();
    assert_eq!((rooms[0].room, rooms[0].since), (room, matched_at));
    let mut members = rooms[0].members;
    members.sort_unstable();
    assert_eq!((rooms.len(), members), (1, [user(1), user(2)]));
    world.handle(Input::Leave(ConnId(1)));
    let counts = world.lobby.counts();
    assert_eq!((counts.rooms, counts.matches), (0, 1));
}
