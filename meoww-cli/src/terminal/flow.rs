//! How far the terminal has got with what was written: which updates it has shown.
//!
//! That a write returned says only that the bytes are in a buffer on the way. So each update ends
//! with a question (DSR 5), which the terminal answers when it comes to it. Answers come in the order
//! of the questions. A terminal that is not known to answer is believed when the write returns.

use std::{collections::VecDeque, time::Duration};

/// The question at the end of an update (ECMA-48 DSR, parameter 5: report the status).
pub(super) const QUESTION: &[u8] = b"\x1b[5n";
/// What every terminal answers differently (DA1): its answer says that the others before it have
/// come, or never will.
pub(super) const SYNC: &[u8] = b"\x1b[c";

/// Updates under way at most. With one, the path there and back would be the pace of the picture: on
/// one of 100 ms, 10 a second instead of 20.
const MAX_UNDER_WAY: usize = 2;
/// An answer that takes longer is not waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// An update under way.
#[derive(Debug, Clone, Copy)]
struct Update {
    /// Since when it is waited for: its write returned.
    written: Option<Duration>,
    /// Whether it ended with a question.
    asked: bool,
    /// How many of the pictures that are counted are in it.
    pictures: u64,
}

/// Updates on their way, in order. Times count from the start.
#[derive(Debug, Default)]
pub(super) struct Flow {
    updates: VecDeque<Update>,
    /// Whether the terminal answers.
    answers: bool,
    /// How many [`SYNC`] it has not answered.
    syncs: usize,
}

impl Flow {
    /// Whether another update may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.updates.len() < MAX_UNDER_WAY
    }

    /// Whether the answer to any question is outstanding.
    pub(super) fn is_asking(&self) -> bool {
        self.syncs > 0 || self.updates.iter().any(|update| update.asked)
    }

    /// An update is sent; returns whether it is to end with a question.
    pub(super) fn sent(&mut self, pictures: u64) -> bool {
        self.updates.push_back(Update { written: None, asked: self.answers, pictures });
        self.answers
    }

    /// The oldest update that was not yet written is. Returns how many pictures were shown by it.
    pub(super) fn written(&mut self, now: Duration) -> u64 {
        if let Some(update) = self.updates.iter_mut().find(|update| update.written.is_none()) {
            update.written = Some(now);
        }
        self.shown()
    }

    /// The terminal answered the oldest question; returns how many pictures were shown by it.
    pub(super) fn ready(&mut self) -> u64 {
        if let Some(update) = self.updates.iter_mut().find(|update| update.asked) {
            update.asked = false;
        }
        self.shown()
    }

    /// [`SYNC`] is asked.
    pub(super) fn syncing(&mut self) {
        self.syncs += 1;
    }

    /// The terminal answered [`SYNC`]: it answers, and owes no answer to what came before.
    pub(super) fn synced(&mut self) {
        self.answers = true;
        self.syncs = self.syncs.saturating_sub(1);
    }

    /// When the next answer is given up, if any is waited for.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waiting = self.updates.iter().find(|update| update.asked)?;
        waiting.written.map(|written| written + ANSWER_WITHIN)
    }

    /// An answer is late: it and all others are given up, and [`SYNC`] has to be asked before the
    /// terminal is believed to answer again.
    pub(super) fn give_up(&mut self) -> u64 {
        self.answers = false;
        self.updates.iter_mut().for_each(|update| update.asked = false);
        self.shown()
    }

    /// What is under way is lost, and so is what would be answered.
    pub(super) fn restart(&mut self) {
        self.syncs = 0;
        self.give_up();
    }

    fn shown(&mut self) -> u64 {
        let mut pictures = 0;
        while self.updates.front().is_some_and(|first| first.written.is_some() && !first.asked) {
            pictures += self.updates.pop_front().map_or(0, |update| update.pictures);
        }
        pictures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(1);

    #[test]
    fn a_terminal_that_is_not_known_to_answer_is_believed() {
        let mut flow = Flow::default();
        assert!(!flow.sent(1));
        assert!(!flow.sent(1));
        assert!(!flow.has_room());
        assert_eq!((flow.written(T), flow.has_room(), flow.deadline()), (1, true, None));
    }

    #[test]
    fn shown_is_what_was_answered() {
        let mut flow = Flow::default();
        flow.synced();
        assert!(flow.sent(1) && flow.sent(0));
        assert_eq!((flow.written(T), flow.written(T)), (0, 0));
        assert!(flow.is_asking() && !flow.has_room());
        assert_eq!(flow.ready(), 1);
        assert!(flow.has_room());
        assert_eq!((flow.ready(), flow.is_asking()), (0, false));
        assert_eq!(flow.ready(), 0, "an answer to nothing");
    }

    #[test]
    fn a_sync_is_outstanding_until_it_is_answered_or_lost() {
        let mut flow = Flow::default();
        flow.syncing();
        flow.give_up();
        assert!(flow.is_asking(), "it may still come");
        flow.syncing();
        flow.synced();
        assert!(flow.is_asking(), "the second");
        flow.synced();
        assert!(!flow.is_asking());
        flow.syncing();
        flow.restart();
        assert!(!flow.is_asking());
    }

    #[test]
    fn an_answer_may_overtake_the_news_of_the_write() {
        let mut flow = Flow::default();
        flow.synced();
        flow.sent(1);
        assert_eq!((flow.ready(), flow.written(T)), (0, 1));
    }

    #[test]
    fn a_late_answer_is_not_taken_for_the_next() {
        let mut flow = Flow::default();
        flow.synced();
        flow.sent(1);
        flow.written(T);
        assert_eq!(flow.deadline(), Some(3 * T));
        assert_eq!(flow.give_up(), 1);
        // Asks no more, until the terminal answers what it is asked last.
        assert!(!flow.sent(1));
        assert_eq!((flow.ready(), flow.written(3 * T)), (0, 1));
        flow.synced();
        assert!(flow.sent(1));
    }
}
