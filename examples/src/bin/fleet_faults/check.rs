//! Whether a history keeps what the design of the fleet promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use meoww_proto::RoomId;

use crate::{
    history::{Event, What},
    waits::{self, Passed},
};

/// How long one side may think that it is in a room which the other has left.
const AGREE_WITHIN: Duration = Duration::from_secs(3);
/// A busy machine is late to tell.
const SLACK: Duration = Duration::from_millis(500);

/// The findings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Promises that were broken.
    pub(crate) broken: Vec<String>,
    /// Users whose room was over though neither of the two had left it.
    pub(crate) lost_calls: Vec<String>,
    /// Longest time in which several searched and none was matched, once most had met.
    pub(crate) gap: Duration,
    /// The search that others passed for the longest time.
    pub(crate) passed: Passed,
}

/// A user's belief to be in a room.
#[derive(Debug, Clone, Copy)]
struct Stay {
    who: usize,
    from: Duration,
    /// Until the end of the history if it is not over.
    to: Duration,
    /// When the last connection in it came up, after an earlier one was lost.
    back: Duration,
    is_left: bool,
}

/// Checks a history until `end`; most users had met at `begun`. `patience` is how much longer the two of
/// a room may disagree.
pub(crate) fn check(
    events: &[Event],
    begun: Duration,
    end: Duration,
    patience: Duration,
) -> Findings {
    let mut findings = Findings::default();
    let mut rooms: BTreeMap<RoomId, Vec<Stay>> = BTreeMap::new();
    let users: BTreeSet<usize> = events.iter().map(|event| event.who).collect();
    for who in users {
        let own = events.iter().filter(|event| event.who == who);
        follow(who, own, end, &mut rooms, &mut findings.broken);
    }
    for (room, stays) in &rooms {
        agree(*room, stays, end, patience, &mut findings.broken);
        let is_call = stays.len() == 2 && stays.iter().all(|stay| !stay.is_left);
        for Stay { who, from, to, .. } in stays.iter().filter(|stay| is_call && stay.to < end) {
            findings.lost_calls.push(format!("{who} in {room}, from {from:?} to {to:?}"));
        }
    }
    hear(events, &rooms, &mut findings.broken);
    keep_apart(events, &rooms, &mut findings.broken);
    findings.gap = waits::longest_gap(events, begun, end);
    findings.passed = waits::longest_passed(events);
    findings
}

/// One user: in one room at a time, and matched once for each time they ask.
fn follow<'a>(
    who: usize,
    events: impl Iterator<Item = &'a Event>,
    end: Duration,
    rooms: &mut BTreeMap<RoomId, Vec<Stay>>,
    broken: &mut Vec<String>,
) {
    let (mut asks, mut current): (bool, Option<(RoomId, Stay)>) = (false, None);
    let mut close = |current: &mut Option<(RoomId, Stay)>, to, is_left| {
        if let Some((room, stay)) = current.take() {
            rooms.entry(room).or_default().push(Stay { to, is_left, ..stay });
        }
    };
    for Event { at, what, .. } in events {
        match what {
            What::Searching => asks = true,
            What::Down | What::Refused => asks = false,
            What::Matched(room) => {
                if !std::mem::take(&mut asks) {
                    broken.push(format!("{at:?}: {who} was matched without asking, in {room}"));
                }
                if let Some((other, _)) = &current {
                    broken.push(format!("{at:?}: {who} is in {other} and in {room}"));
                    close(&mut current, *at, false);
                }
                let stay = Stay { who, from: *at, to: end, back: *at, is_left: false };
                current = Some((*room, stay));
            }
            What::Up(Some(_)) => {
                if let Some((_, stay)) = &mut current {
                    stay.back = *at;
                }
            }
            What::Left(_) | What::Blocks(_) => close(&mut current, *at, true),
            What::Over(room) | What::Forgotten(room) => {
                if current.is_some_and(|(known, _)| known == *room) {
                    close(&mut current, *at, false);
                }
            }
            What::Up(None) | What::Heard { .. } | What::Blocked(_) => {}
        }
    }
    close(&mut current, end, false);
}

/// The two of a room: both are told of it, and that it is over, about the same time.
fn agree(
    room: RoomId,
    stays: &[Stay],
    end: Duration,
    patience: Duration,
    broken: &mut Vec<String>,
) {
    let who: BTreeSet<usize> = stays.iter().map(|stay| stay.who).collect();
    if who.len() > 2 {
        broken.push(format!("{room} has more than two members: {who:?}"));
    }
    let bound = AGREE_WITHIN + SLACK + patience;
    let first_end = match stays {
        [alone] => alone.from,
        _ => stays.iter().map(|stay| stay.to).min().unwrap_or(end),
    };
    for stay in stays {
        let since = first_end.max(stay.back);
        if stay.to.saturating_sub(since) > bound {
            let Stay { who, to, .. } = stay;
            broken.push(format!("{who} is alone in {room} from {since:?} to {to:?}"));
        }
    }
}

/// No line comes from another room, or from somebody who is not in it.
fn hear(events: &[Event], rooms: &BTreeMap<RoomId, Vec<Stay>>, broken: &mut Vec<String>) {
    for Event { at, who, what } in events {
        let What::Heard { room, said_in, by } = what else { continue };
        let is_member =
            |user| rooms.get(room).is_some_and(|all| all.iter().any(|it| it.who == user));
        if room != said_in || by == who || !is_member(*by) || !is_member(*who) {
            broken.push(format!("{at:?}: {who} heard {by}, who spoke in {said_in}, in {room}"));
        }
    }
}

/// A blocked pair does not meet after the block was acknowledged.
fn keep_apart(events: &[Event], rooms: &BTreeMap<RoomId, Vec<Stay>>, broken: &mut Vec<String>) {
    let members = |stays: &[Stay]| stays.iter().map(|stay| stay.who).collect::<BTreeSet<usize>>();
    for Event { at, what, .. } in events {
        let What::Blocked(blocked) = what else { continue };
        let Some(pair) = rooms.get(blocked).map(|stays| members(stays)) else { continue };
        for (room, stays) in rooms.iter().filter(|(_, stays)| members(stays) == pair) {
            if pair.len() == 2 && stays.iter().all(|stay| stay.from > *at) {
                broken.push(format!("{pair:?} meet in {room} after a block at {at:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Duration = Duration::from_secs(20);

    fn room(n: u8) -> RoomId {
        format!("00000000-0000-4000-8000-0000000000{n:02}").parse().expect("a room")
    }

    fn history(events: &[(u64, usize, What)]) -> Findings {
        let event = |&(ms, who, what): &(u64, usize, What)| Event {
            at: Duration::from_millis(ms),
            who,
            what,
        };
        let events: Vec<Event> = events.iter().map(event).collect();
        check(&events, Duration::ZERO, END, Duration::ZERO)
    }

    fn met(ms: u64, [one, other]: [usize; 2], in_room: u8) -> [(u64, usize, What); 4] {
        [
            (ms, one, What::Searching),
            (ms, other, What::Searching),
            (ms + 10, one, What::Matched(room(in_room))),
            (ms + 12, other, What::Matched(room(in_room))),
        ]
    }

    fn broken_by(more: &[(u64, usize, What)]) -> Vec<String> {
        history(&[&met(0, [1, 2], 1)[..], more].concat()).broken
    }

    #[test]
    fn a_call_that_goes_on_elsewhere_breaks_nothing() {
        let heard = What::Heard { room: room(1), said_in: room(1), by: 2 };
        let found = history(
            &[
                &met(0, [1, 2], 1)[..],
                &[(1000, 1, What::Down), (8000, 1, What::Up(Some(room(1)))), (8100, 1, heard)],
                &[(9000, 2, What::Left(room(1))), (9100, 1, What::Over(room(1)))],
            ]
            .concat(),
        );
        assert_eq!(found, Findings::default());
    }

    #[test]
    fn each_promise_that_is_broken_is_found() {
        assert!(broken_by(&[])[..].is_empty());
        let again = [(100, 1, What::Searching), (110, 1, What::Matched(room(2)))];
        assert!(broken_by(&again)[0].contains("is in"), "two rooms");
        let twice = [(50, 1, What::Over(room(1))), (60, 1, What::Matched(room(2)))];
        assert!(broken_by(&twice)[0].contains("without asking"));
        let alone = [(1000, 1, What::Left(room(1))), (4600, 2, What::Over(room(1)))];
        assert!(broken_by(&alone)[0].contains("is alone in"));
        let third = [(1000, 3, What::Searching), (1010, 3, What::Matched(room(1)))];
        assert!(broken_by(&third)[0].contains("more than two"));
        for heard in [
            What::Heard { room: room(1), said_in: room(2), by: 2 },
            What::Heard { room: room(1), said_in: room(1), by: 3 },
        ] {
            assert!(broken_by(&[(1000, 1, heard)])[0].contains("heard"));
        }
        let blocks = [
            &[(1000, 1, What::Blocks(room(1))), (1010, 1, What::Blocked(room(1)))][..],
            &[(1010, 2, What::Over(room(1)))],
            &met(2000, [1, 2], 2),
        ];
        assert!(broken_by(&blocks.concat())[0].contains("after a block"));
    }

    #[test]
    fn a_call_that_neither_has_left_is_lost_for_both() {
        let over = [(1000, 1, What::Over(room(1))), (1000, 2, What::Forgotten(room(1)))];
        let found = history(&[&met(0, [1, 2], 1)[..], &over].concat());
        assert_eq!((found.lost_calls.len(), found.broken), (2, vec![]));
    }
}
