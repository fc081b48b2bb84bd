//! What a connection remembers of the strangers it met: enough to block or report one of them.

use std::collections::VecDeque;

use meoww_proto::{RoomId, UserId};

use super::safety::{Line, Speaker};

/// Chat lines that go with a report.
const MAX_LINES: usize = 20;
/// Bytes of them.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// The two rooms a connection was in last.
#[derive(Debug, Default)]
pub struct RecentPartners {
    last: Option<Encounter>,
    before: Option<Encounter>,
}

/// A room, and whom one met there.
#[derive(Debug)]
pub struct Encounter {
    /// The room.
    pub room: RoomId,
    /// Whom. Never told to the client.
    pub stranger: UserId,
    /// What was said there last.
    pub transcript: Transcript,
}

impl RecentPartners {
    /// Takes in a room the connection is in now.
    pub fn begin(&mut self, room: RoomId, stranger: UserId) {
        let encounter = Encounter { room, stranger, transcript: Transcript::default() };
        self.before = self.last.replace(encounter);
    }

    /// Takes in what was said in the last room.
    pub fn hear(&mut self, by: Speaker, text: &str) {
        if let Some(last) = &mut self.last {
            last.transcript.add(by, text);
        }
    }

    /// The encounter in this room, if it is one of the two.
    pub fn of(&self, room: RoomId) -> Option<&Encounter> {
        self.last.iter().chain(&self.before).find(|encounter| encounter.room == room)
    }
}

/// The last lines of one room; takes no memory until something is said.
#[derive(Debug, Default)]
pub struct Transcript {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Transcript {
    /// Adds a line and forgets the oldest that are too many.
    pub fn add(&mut self, by: Speaker, text: &str) {
        self.bytes += text.len();
        self.lines.push_back(Line { by, text: text.to_owned() });
        while self.lines.len() > MAX_LINES || self.bytes > MAX_LINE_BYTES {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.text.len();
        }
    }

    /// Oldest first.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn the_last_two_strangers_are_remembered() {
        let mut recent_partners = RecentPartners::default();
        let room = |n: u8| RoomId::from_uuid(Uuid::from_u128(n.into()));
        for n in 1..=3 {
            recent_partners.begin(room(n), UserId::from_bytes([n; 12]));
            recent_partners.hear(Speaker::Reported, &n.to_string());
        }
        assert!(recent_partners.of(room(1)).is_none());
        for n in 2..=3 {
            let encounter = recent_partners.of(room(n)).expect("remembered");
            assert_eq!(encounter.stranger, UserId::from_bytes([n; 12]));
            assert_eq!(encounter.transcript.lines()[0].text, n.to_string());
        }
    }

    proptest! {
        #[test]
        fn a_transcript_keeps_the_newest_lines_within_its_bounds(
            lengths in prop::collection::vec(prop_oneof![0usize..40, 0usize..8000], 0..60)
        ) {
            let mut transcript = Transcript::default();
            let said = lengths.iter().map(|length| "x".repeat(*length));
            let said: Vec<_> = said.map(|text| Line { by: Speaker::Reported, text }).collect();
            for line in &said {
                transcript.add(line.by, &line.text);
            }
            let kept = transcript.lines();
            prop_assert!(said.ends_with(&kept));
            let bytes = |lines: &[Line]| lines.iter().map(|line| line.text.len()).sum::<usize>();
            prop_assert!(kept.len() <= MAX_LINES && bytes(&kept) <= MAX_LINE_BYTES);
            if let Some(first) = said.len().checked_sub(kept.len() + 1) {
                let more = &said[first..];
                prop_assert!(more.len() > MAX_LINES || bytes(more) > MAX_LINE_BYTES, "too few");
            }
        }
    }
}
