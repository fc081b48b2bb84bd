//! How long the server may be silent: when it is asked for a sign of life, and when it is given up.

use std::time::Duration;

use tokio::time::Instant;

/// Silence after which the server is given up while nothing is at stake: it pings three times in this
/// long.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Silence after which the server is pinged while something is at stake.
pub(super) const ASK_AFTER: Duration = Duration::from_secs(5);
/// How long that ping may take. With [`ASK_AFTER`], a server that vanished is left in time to be at
/// another one before that ends the room or forgets the place in the queue, after 30 s.
pub(super) const WATCHED_TIMEOUT: Duration = Duration::from_secs(5);
/// A ping follows each message, which a server that lives answers in less than this.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Likewise after the network changed, when it is likely that nothing answers.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The next step against the silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Send a ping and report it by [`Silence::asked`].
    Ping,
    /// Leave the connection.
    GiveUp,
}

/// The silence of a server on one connection.
#[derive(Debug)]
pub(super) struct Silence {
    heard: Instant,
    /// Until when the ping that is on its way is to be answered.
    answer_by: Option<Instant>,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: now, answer_by: None }
    }

    /// The server said something.
    pub(super) fn broken(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// A ping is on its way, which is to be answered within `patience`, and not later than one before
    /// it.
    pub(super) fn asked(&mut self, now: Instant, patience: Duration) {
        let latest = self.answer_by.unwrap_or(self.heard + IDLE_TIMEOUT);
        self.answer_by = Some(latest.min(now + patience));
    }

    /// Whether a ping is on its way.
    pub(super) fn is_asked(&self) -> bool {
        self.answer_by.is_some()
    }

    /// Returns what is due next, and when.
    pub(super) fn next(&self, is_at_stake: bool) -> (Instant, Due) {
        match self.answer_by {
            Some(answer_by) => (answer_by, Due::GiveUp),
            None if is_at_stake => (self.heard + ASK_AFTER, Due::Ping),
            None => (self.heard + IDLE_TIMEOUT, Due::GiveUp),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_server_is_asked_first_and_given_up_after_ten_seconds() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert_eq!(silence.next(true), (start + seconds(5), Due::Ping));
        silence.asked(start + seconds(5), WATCHED_TIMEOUT);
        assert_eq!(silence.next(true), (start + seconds(10), Due::GiveUp));
        silence.broken(start + seconds(6));
        assert_eq!(silence.next(true), (start + seconds(11), Due::Ping));
    }

    /// A client that was stopped itself finds that all has run out, and has asked nothing.
    #[test]
    fn a_late_ping_has_its_time_to_be_answered() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        silence.asked(start + seconds(40), WATCHED_TIMEOUT);
        assert_eq!(silence.next(true), (start + seconds(45), Due::GiveUp));
    }

    #[test]
    fn with_nothing_at_stake_the_server_is_not_asked() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert_eq!(silence.next(false), (start + seconds(60), Due::GiveUp));
        silence.asked(start + seconds(58), ANSWER_TIMEOUT);
        assert_eq!(silence.next(false), (start + seconds(60), Due::GiveUp), "it pings by itself");
    }

    #[test]
    fn more_words_give_no_more_time() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        silence.asked(start + seconds(1), ANSWER_TIMEOUT);
        silence.asked(start + seconds(8), ANSWER_TIMEOUT);
        assert_eq!(silence.next(true), (start + seconds(11), Due::GiveUp));
        silence.asked(start + seconds(8), PROBE_TIMEOUT);
        assert_eq!(silence.next(true), (start + seconds(10), Due::GiveUp));
    }
}
