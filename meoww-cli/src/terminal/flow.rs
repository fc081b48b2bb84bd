//! How far the terminal has got with what was written: which pieces of updates it has shown.
//!
//! That a write returned says only that the bytes are in a buffer on the way. So each piece ends
//! with a question (DSR 5), which the terminal answers when it comes to it. Answers come in the order
//! of the questions. A terminal that is not known to answer is believed when the write returns.

use std::{collections::VecDeque, time::Duration};

use super::window::{Sample, Window};

/// The question at the end of an update (ECMA-48 DSR, parameter 5: report the status).
pub(super) const QUESTION: &[u8] = b"\x1b[5n";
/// What every terminal answers differently (DA1): its answer says that the others before it have
/// come, or never will.
pub(super) const SYNC: &[u8] = b"\x1b[c";

/// Updates under way at most, where an answer takes no time: one that is shown and one on its way.
const MAX_UPDATES: usize = 2;
/// From one update to the next, at 30 a second.
const INTERVAL: Duration = Duration::from_millis(33);
/// Pieces under way at most, however small.
pub(super) const MAX_PIECES: usize = 64;
/// Bytes under way at most to a terminal that does not answer: a kernel holds about as many.
const MAX_UNANSWERED: usize = 64 << 10;
/// An answer that takes longer is not waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A piece under way.
#[derive(Debug, Clone, Copy)]
struct Piece {
    sample: Sample,
    /// Since when it is waited for: its write returned.
    written: Option<Duration>,
    /// Whether it ended with a question that is not answered.
    asked: bool,
    /// Where an update ends with it, how many of the pictures that are counted are in that.
    ends: Option<u64>,
}

/// Pieces on their way, in order. Times count from the start.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pieces: VecDeque<Piece>,
    window: Window,
    /// Whether the terminal answers.
    answers: bool,
    /// How many answers came before the news of the write.
    ahead: usize,
    /// How many [`SYNC`] it has not answered.
    syncs: usize,
}

impl Flow {
    /// How many bytes of an update may be sent.
    pub(super) fn room(&self, now: Duration) -> usize {
        if !self.has_place() {
            return 0;
        }
        let under_way = self.under_way();
        let most = if self.answers { usize::MAX } else { MAX_UNANSWERED };
        let room = self.window.room(under_way, now).min(most / 4);
        if under_way.saturating_add(room) > most { 0 } else { room }
    }

    /// Whether another update may begin: as many are under way as are shown in the time an answer
    /// takes, so that each is on its way and none waits for another.
    pub(super) fn may_begin(&self, now: Duration) -> bool {
        let under_way = self.pieces.iter().filter(|piece| piece.ends.is_some()).count();
        let most = MAX_UPDATES + (self.window.base().as_millis() / INTERVAL.as_millis()) as usize;
        under_way < most && self.room(now) > 0
    }

    /// Whether something small may be sent beside an update.
    pub(super) fn has_place(&self) -> bool {
        self.pieces.len() + self.ahead < MAX_PIECES
    }

    /// Bytes a second that the terminal draws; `None` where it always drew faster than it was sent.
    pub(super) fn rate(&self) -> Option<f64> {
        self.window.rate()
    }

    /// Whether the answer to any question is outstanding.
    pub(super) fn is_asking(&self) -> bool {
        self.syncs > 0 || self.pieces.iter().any(|piece| piece.asked)
    }

    /// A piece of so many bytes is sent, which may end an update with so many pictures; returns
    /// whether it is to end with a question.
    pub(super) fn sent(&mut self, bytes: usize, ends: Option<u64>, now: Duration) -> bool {
        let sample = Sample { bytes, sent: now, under_way: self.under_way() + bytes };
        self.pieces.push_back(Piece { sample, written: None, asked: self.answers, ends });
        self.answers
    }

    /// The oldest piece that was not yet written is. Returns how many pictures were shown by it.
    pub(super) fn written(&mut self, now: Duration) -> u64 {
        if self.ahead > 0 {
            self.ahead -= 1;
        } else if let Some(piece) = self.pieces.iter_mut().find(|piece| piece.written.is_none()) {
            piece.written = Some(now);
            if !piece.asked {
                self.window.drawn(piece.sample, now);
            }
        }
        self.shown()
    }

    /// The terminal answered the oldest question; returns how many pictures were shown by it.
    pub(super) fn ready(&mut self, now: Duration) -> u64 {
        if let Some(at) = self.pieces.iter().position(|piece| piece.asked) {
            self.pieces[at].asked = false;
            self.window.drawn(self.pieces[at].sample, now);
            // What is answered for was written, whether that is known yet or not.
            for piece in self.pieces.iter_mut().take(at + 1) {
                self.ahead += usize::from(piece.written.replace(now).is_none());
            }
        }
        self.shown()
    }

    /// [`SYNC`] is asked.
    pub(super) fn syncing(&mut self) {
        self.syncs += 1;
    }

    /// The terminal answered [`SYNC`]: it answers, and owes no answer to what came before.
    pub(super) fn synced(&mut self) {
        // The delay of a write is not that of an answer.
        if !std::mem::replace(&mut self.answers, true) {
            self.window = Window::default();
        }
        self.syncs = self.syncs.saturating_sub(1);
    }

    /// When the next answer is given up, if any is waited for.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waiting = self.pieces.iter().find(|piece| piece.asked)?;
        waiting.written.map(|written| written + ANSWER_WITHIN)
    }

    /// An answer is late: it and all others are given up, and [`SYNC`] has to be asked before the
    /// terminal is believed to answer again.
    pub(super) fn give_up(&mut self) -> u64 {
        self.answers = false;
        self.pieces.iter_mut().for_each(|piece| piece.asked = false);
        self.shown()
    }

    /// What is under way is lost, and so is what would be answered.
    pub(super) fn restart(&mut self) {
        self.syncs = 0;
        self.give_up();
    }

    fn shown(&mut self) -> u64 {
        let mut pictures = 0;
        while self.pieces.front().is_some_and(|first| first.written.is_some() && !first.asked) {
            pictures += self.pieces.pop_front().and_then(|piece| piece.ends).unwrap_or(0);
        }
        pictures
    }

    fn under_way(&self) -> usize {
        self.pieces.iter().map(|piece| piece.sample.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(1);

    #[test]
    fn a_terminal_that_is_not_known_to_answer_is_believed() {
        let mut flow = Flow::default();
        assert!(!flow.sent(10, Some(1), T));
        assert_eq!((flow.written(T), flow.deadline()), (1, None));
        while flow.room(T) > 0 {
            flow.sent(flow.room(T), Some(1), T);
        }
        assert!(flow.under_way() <= MAX_UNANSWERED && flow.has_place());
        assert_eq!(flow.written(T), 1);
        assert!(flow.room(T) > 0);
    }

    #[test]
    fn shown_is_what_was_answered() {
        let mut flow = Flow::default();
        flow.synced();
        assert!(flow.sent(10, Some(1), T) && flow.sent(10, Some(0), T));
        assert_eq!((flow.written(T), flow.written(T)), (0, 0));
        assert!(flow.is_asking());
        assert_eq!(flow.ready(T), 1);
        assert_eq!((flow.ready(T), flow.is_asking()), (0, false));
        assert_eq!(flow.ready(T), 0, "an answer to nothing");
    }

    #[test]
    fn so_many_pieces_are_under_way_at_most() {
        let mut flow = Flow::default();
        flow.sent(1, None, T);
        flow.written(T);
        for _ in 0..MAX_PIECES {
            assert!(flow.has_place() && flow.room(T) > 0);
            flow.sent(1, None, T);
        }
        assert!(!flow.has_place() && flow.room(T) == 0);
    }

    #[test]
    fn as_many_updates_are_under_way_as_the_way_is_long() {
        let under_way = |answer_takes: Duration| {
            let mut flow = Flow::default();
            flow.synced();
            flow.sent(10, Some(1), T);
            flow.written(T);
            let now = T + answer_takes;
            assert_eq!(flow.ready(now), 1);
            let mut count = 0;
            while flow.may_begin(now) {
                flow.sent(10, Some(1), now);
                count += 1;
            }
            count
        };
        assert_eq!(under_way(Duration::from_millis(1)), 2);
        // 100 ms at 30 a second are 3 pictures, and those two.
        assert_eq!(under_way(Duration::from_millis(100)), 5);
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
        flow.sent(10, Some(1), T);
        assert_eq!((flow.ready(T), flow.written(T)), (1, 0));
        flow.sent(10, Some(1), T);
        assert_eq!((flow.written(T), flow.ready(T)), (0, 1), "the news was of the first");
    }

    #[test]
    fn answers_to_what_was_not_written_make_no_place_for_more() {
        let mut flow = Flow::default();
        flow.synced();
        while flow.has_place() {
            flow.sent(1, None, T);
            flow.ready(T);
        }
        assert_eq!((flow.pieces.len(), flow.ahead, flow.room(T)), (0, MAX_PIECES, 0));
        flow.written(T);
        assert!(flow.has_place());
    }

    #[test]
    fn a_late_answer_is_not_taken_for_the_next() {
        let mut flow = Flow::default();
        flow.synced();
        flow.sent(10, Some(1), T);
        flow.written(T);
        assert_eq!(flow.deadline(), Some(3 * T));
        assert_eq!(flow.give_up(), 1);
        // Asks no more, until the terminal answers what it is asked last.
        assert!(!flow.sent(10, Some(1), 3 * T));
        assert_eq!((flow.ready(3 * T), flow.written(3 * T)), (0, 1));
        flow.synced();
        assert!(flow.sent(10, Some(1), 3 * T));
    }
}
