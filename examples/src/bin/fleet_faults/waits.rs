//! How long users wait for a match: all of them, and a single one whom others pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use meoww_proto::RoomId;

use crate::history::{Event, What};

/// So many users who search at once include two that can be matched: two who just parted cannot.
const ENOUGH: usize = 4;

/// Returns the longest time from `from` on in which several users searched and none was matched.
pub(crate) fn longest_gap(events: &[Event], from: Duration, end: Duration) -> Duration {
    let mut searching = BTreeSet::new();
    let (mut since, mut gap): (Option<Duration>, Duration) = (None, Duration::ZERO);
    let mut count = |since: Option<Duration>, to: Duration| {
        gap = gap.max(since.map_or(Duration::ZERO, |since| to.saturating_sub(since.max(from))));
    };
    for Event { at, who, what } in events {
        match what {
            What::Searching => _ = searching.insert(who),
            What::Down | What::Refused => _ = searching.remove(who),
            What::Matched(_) => {
                searching.remove(who);
                count(since.take(), *at);
            }
            _ => {}
        }
        if searching.len() < ENOUGH {
            count(since.take(), *at);
        } else {
            since = since.or(Some(*at));
        }
    }
    count(since, end);
    gap
}

/// A search that others passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) who: usize,
    /// When the search began.
    pub(crate) since: Duration,
    /// Time from then until the last match, while it went on, of two users who both began to search
    /// later.
    pub(crate) time: Duration,
}

/// Returns the search that was passed for the longest time. The queue is served in the order of
/// searches, so it passes a user only with pairs of whom the user may meet neither: those are few, as
/// partners who parted meet again after 3 s.
pub(crate) fn longest_passed(events: &[Event]) -> Passed {
    let mut searching: BTreeMap<usize, Duration> = BTreeMap::new();
    // Of rooms of which one side knows: since when that side had searched.
    let mut rooms: BTreeMap<RoomId, Duration> = BTreeMap::new();
    let mut longest = Passed::default();
    for Event { at, who, what } in events {
        match what {
            What::Searching => _ = searching.entry(*who).or_insert(*at),
            What::Down | What::Refused => _ = searching.remove(who),
            What::Matched(room) => {
                let Some(began) = searching.remove(who) else { continue };
                let Some(other) = rooms.insert(*room, began) else { continue };
                let passed = searching.iter().filter(|(_, since)| **since < began.min(other));
                let passed = passed.map(|(who, since)| (*at - *since, *since, *who)).max();
                if let Some((time, since, who)) = passed.filter(|it| it.0 > longest.time) {
                    longest = Passed { who, since, time };
                }
            }
            _ => {}
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(n: u8) -> RoomId {
        format!("00000000-0000-4000-8000-0000000000{n:02}").parse().expect("a room")
    }

    fn events(of: &[(u64, usize, What)]) -> Vec<Event> {
        let event = |&(ms, who, what)| Event { at: Duration::from_millis(ms), who, what };
        of.iter().map(event).collect()
    }

    fn searching(ms: u64, who: usize) -> (u64, usize, What) {
        (ms, who, What::Searching)
    }

    fn gap(of: &[(u64, usize, What)], from_ms: u64) -> u128 {
        let end = Duration::from_secs(20);
        longest_gap(&events(of), Duration::from_millis(from_ms), end).as_millis()
    }

    #[test]
    fn a_gap_counts_while_there_are_enough_to_match() {
        let mut story: Vec<_> = (1..=3).map(|who| searching(0, who)).collect();
        story.push(searching(5000, 4));
        story.push((7000, 1, What::Matched(room(1))));
        story.push((7000, 2, What::Matched(room(1))));
        assert_eq!(gap(&story, 0), 2000);
        assert_eq!(gap(&story, 6500), 500);
    }

    #[test]
    fn a_gap_lasts_until_the_end_or_until_too_few_are_left() {
        let story: Vec<_> = (1..=4).map(|who| searching(1000, who)).collect();
        assert_eq!(gap(&story, 0), 19_000);
        assert_eq!(gap(&[&story[..], &[(4000, 1, What::Down)]].concat(), 0), 3000);
    }

    #[test]
    fn a_search_is_passed_by_those_who_began_later() {
        let mut story = vec![searching(100, 1)];
        for (number, ms) in [(1, 1000), (2, 2000), (3, 4000)] {
            for who in [2, 3] {
                story.extend([searching(ms, who), (ms + 50, who, What::Matched(room(number)))]);
            }
        }
        let since = Duration::from_millis(100);
        let time = Duration::from_millis(3950);
        assert_eq!(longest_passed(&events(&story)), Passed { who: 1, since, time });
        story.insert(1, (500, 1, What::Down));
        assert_eq!(longest_passed(&events(&story)), Passed::default());
    }

    #[test]
    fn a_search_is_not_passed_by_one_who_waited_longer() {
        let story = [
            searching(0, 2),
            searching(100, 1),
            searching(3000, 3),
            (3050, 2, What::Matched(room(1))),
            (3050, 3, What::Matched(room(1))),
        ];
        assert_eq!(longest_passed(&events(&story)), Passed::default());
    }
}
