//! When everybody is told how many there are.

use std::time::{Duration, Instant};

use meoww_proto::signal::Presence;

use super::lobby::ConnId;

/// Least time between two announcements.
const INTERVAL: Duration = Duration::from_secs(1);
/// Announcements a second to all connections together: with more connections than this, each is
/// told more seldom.
const RATE: u32 = 2000;

/// Who is to be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Audience {
    /// It changed.
    Everybody,
    /// It did not, but these have never been told.
    Newcomers(Vec<ConnId>),
}

/// Gathers changes for a while, so that what comes and goes at once is never told.
#[derive(Debug, Default)]
pub struct Announcer {
    told: Presence,
    newcomers: Vec<ConnId>,
    due: Option<Instant>,
}

impl Announcer {
    /// Takes in a connection that is to be told.
    pub fn welcome(&mut self, newcomer: ConnId) {
        self.newcomers.push(newcomer);
    }

    /// Takes in how many there are now.
    pub fn note(&mut self, presence: Presence, connections: usize, now: Instant) {
        if self.due.is_none() && (presence != self.told || !self.newcomers.is_empty()) {
            let connections = u32::try_from(connections).unwrap_or(u32::MAX);
            self.due = Some(now + INTERVAL.max(INTERVAL * connections / RATE));
        }
    }

    /// When to ask [`Announcer::announce`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Who is to be told of `presence`, if the time has come.
    pub fn announce(&mut self, presence: Presence, now: Instant) -> Option<Audience> {
        self.due.take_if(|due| *due <= now)?;
        let newcomers = std::mem::take(&mut self.newcomers);
        if presence == self.told {
            return Some(Audience::Newcomers(newcomers));
        }
        self.told = presence;
        Some(Audience::Everybody)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn searching(searching: u32) -> Presence {
        Presence { online: 9, searching }
    }

    #[test]
    fn what_came_and_went_is_told_to_nobody_but_newcomers() {
        let (mut announcer, now) = (Announcer::default(), Instant::now());
        announcer.note(searching(1), 9, now);
        assert_eq!(announcer.announce(searching(1), now), None, "not at once");
        let later = now + INTERVAL;
        assert_eq!(announcer.announce(searching(1), later), Some(Audience::Everybody));
        announcer.note(searching(1), 9, later);
        assert_eq!(announcer.poll_timeout(), None, "nothing is new");
        announcer.note(searching(2), 9, later);
        announcer.welcome(ConnId(7));
        let nobody_else = Some(Audience::Newcomers(vec![ConnId(7)]));
        assert_eq!(announcer.announce(searching(1), later + INTERVAL), nobody_else);
        assert_eq!(announcer.poll_timeout(), None);
    }

    proptest! {
        #[test]
        fn the_rate_holds_and_the_last_word_is_true(
            changes in prop::collection::vec((0u64..3000, 0u32..3), 1..100),
            connections in 0usize..20_000,
        ) {
            let (mut announcer, start) = (Announcer::default(), Instant::now());
            let (mut now, mut told, mut last) = (start, 0, Presence::default());
            let mut presence = last;
            for (gap, value) in changes {
                presence = searching(value);
                announcer.note(presence, connections, now);
                now += Duration::from_millis(gap);
                while let Some(at) = announcer.poll_timeout().filter(|at| *at <= now) {
                    if announcer.announce(presence, at) == Some(Audience::Everybody) {
                        told += connections;
                        last = presence;
                    }
                }
            }
            announcer.note(presence, connections, now);
            let seconds = now.duration_since(start).as_secs_f64();
            prop_assert!(told as f64 <= (f64::from(RATE) * seconds).max(connections as f64 * seconds));
            prop_assert!(last == presence || announcer.poll_timeout().is_some());
        }
    }
}
