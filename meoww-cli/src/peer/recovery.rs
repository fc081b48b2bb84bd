//! Decisions while media does not come through: when a new path is asked for, and when the partner
//! is given up. A pure value.
//!
//! ICE says after two seconds that nothing comes. A path that was only interrupted comes back by
//! itself, and sooner than a restart would find another, so the restart waits for a while: the
//! initiator's first, as two would cross. Where this side's address is gone, it is asked for at once.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::connect::SILENT_AFTER;
use crate::core::event::Reconnecting;

/// How long nothing may come. RFC 7675 (section 5.1) wants media to stop by then.
pub(super) const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);
/// From when silence is noticed to the first restart, of either side.
const PATIENCE: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(5)];
/// From one restart to the next, if no path is found.
const REPEATED_AFTER: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(6)];
/// Restarts in a minute, of both sides; a partner that makes more gets its addresses checked too often.
const MAX_RESTARTS: usize = 40;
const MINUTE: Duration = Duration::from_secs(60);
/// A path that is found sooner is no news.
const TOLD_AFTER: Duration = Duration::from_millis(500);

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Both sides reach each other.
    Up,
    /// Nothing came for [`SILENT_AFTER`].
    Silent,
    /// ICE begins anew.
    Restarted,
    /// The addresses of this machine changed, or it slept; is the one in use still there?
    NetworkChanged { is_path_gone: bool },
    /// [`Recovery::due`] has passed.
    Due,
}

/// An action to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Restart,
    /// Says that media does not come through, and why.
    TellLost(Reconnecting),
    /// Says that it does again.
    TellBack,
    GiveUp,
}

#[derive(Debug)]
pub(super) struct Recovery {
    /// 0 for the initiator.
    side: usize,
    lost: Option<Lost>,
    restarts: VecDeque<Instant>,
}

/// Since media does not come through.
#[derive(Debug)]
struct Lost {
    why: Reconnecting,
    /// When something came last.
    since: Instant,
    restart_at: Instant,
    /// When it is told; `None` once it was.
    tell_at: Option<Instant>,
}

impl Recovery {
    pub(super) fn new(is_initiator: bool) -> Self {
        Self { side: usize::from(!is_initiator), lost: None, restarts: VecDeque::new() }
    }

    /// When there is something to do next.
    pub(super) fn due(&self) -> Option<Instant> {
        let lost = self.lost.as_ref()?;
        let next = lost.restart_at.min(lost.since + GIVEN_UP_AFTER);
        Some(lost.tell_at.map_or(next, |at| next.min(at)))
    }

    pub(super) fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Up => {
                let was_told = self.lost.take().is_some_and(|lost| lost.tell_at.is_none());
                was_told.then_some(Effect::TellBack).into_iter().collect()
            }
            Input::Silent => {
                let restart_at = now + PATIENCE[self.side];
                let heard = now.checked_sub(SILENT_AFTER).unwrap_or(now);
                self.lose(Reconnecting::Silence, heard, restart_at);
                self.due_now(now)
            }
            Input::Restarted => {
                let restart_at = now + REPEATED_AFTER[self.side];
                self.lose(Reconnecting::Restart, now, restart_at).restart_at = restart_at;
                self.restarts.retain(|at| now < *at + MINUTE);
                self.restarts.push_back(now);
                let too_many = self.restarts.len() > MAX_RESTARTS;
                too_many.then_some(Effect::GiveUp).into_iter().collect()
            }
            Input::NetworkChanged { is_path_gone } => {
                if is_path_gone || self.lost.is_some() {
                    self.lose(Reconnecting::NetworkChanged, now, now).restart_at = now;
                }
                self.due_now(now)
            }
            Input::Due => self.due_now(now),
        }
    }

    /// Media stopped, if it had not yet.
    fn lose(&mut self, why: Reconnecting, since: Instant, restart_at: Instant) -> &mut Lost {
        let tell_at = Some(since + TOLD_AFTER);
        self.lost.get_or_insert(Lost { why, since, restart_at, tell_at })
    }

    fn due_now(&mut self, now: Instant) -> Vec<Effect> {
        let Some(lost) = &mut self.lost else { return Vec::new() };
        if now >= lost.since + GIVEN_UP_AFTER {
            return vec![Effect::GiveUp];
        }
        let mut effects = Vec::new();
        if lost.tell_at.take_if(|at| now >= *at).is_some() {
            effects.push(Effect::TellLost(lost.why));
        }
        if now >= lost.restart_at {
            lost.restart_at = now + REPEATED_AFTER[self.side];
            effects.push(Effect::Restart);
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns what is due next, and when, until the call is given up.
    fn left_alone(recovery: &mut Recovery, start: Instant) -> Vec<(u64, Effect)> {
        let mut effects = Vec::new();
        while let Some(now) = recovery.due() {
            for effect in recovery.handle(Input::Due, now) {
                effects.push(((now - start).as_secs(), effect));
                if effect == Effect::GiveUp {
                    return effects;
                }
            }
        }
        effects
    }

    #[test]
    fn silence_is_told_at_once_and_restarts_follow_until_it_is_given_up() {
        let now = clock::now();
        let mut initiator = Recovery::new(true);
        let told = initiator.handle(Input::Silent, now + 2 * SECOND);
        assert_eq!(told, [Effect::TellLost(Reconnecting::Silence)]);
        let restarts = [5, 9, 13, 17, 21, 25, 29].map(|at| (at, Effect::Restart));
        let mut expected = restarts.to_vec();
        expected.push((30, Effect::GiveUp));
        assert_eq!(left_alone(&mut initiator, now), expected);
        // The other side's come later, so that they do not cross.
        let mut responder = Recovery::new(false);
        responder.handle(Input::Silent, now + 2 * SECOND);
        let first = left_alone(&mut responder, now)[0];
        assert_eq!(first, (7, Effect::Restart));
    }

    #[test]
    fn an_address_that_is_gone_asks_for_a_path_at_once() {
        let (mut recovery, now) = (Recovery::new(false), clock::now());
        let change = |is_path_gone| Input::NetworkChanged { is_path_gone };
        assert!(recovery.handle(change(false), now).is_empty());
        assert_eq!(recovery.handle(change(true), now), [Effect::Restart]);
        let later = recovery.handle(Input::Due, now + SECOND);
        assert_eq!(later, [Effect::TellLost(Reconnecting::NetworkChanged)]);
        // The next network is there.
        assert_eq!(recovery.handle(change(false), now + 3 * SECOND), [Effect::Restart]);
        assert_eq!(recovery.handle(Input::Up, now + 4 * SECOND), [Effect::TellBack]);
        assert_eq!(recovery.due(), None);
    }

    #[test]
    fn a_partner_that_restarts_all_the_time_is_left() {
        let (mut recovery, now) = (Recovery::new(true), clock::now());
        let mut given_up = |every: Duration| {
            (0..200).any(|n| {
                let at = now + every * n;
                recovery.handle(Input::Up, at);
                recovery.handle(Input::Restarted, at).contains(&Effect::GiveUp)
            })
        };
        assert!(!given_up(2 * SECOND));
        assert!(given_up(SECOND));
    }

    #[test]
    fn a_path_that_is_found_at_once_is_no_news() {
        let (mut recovery, now) = (Recovery::new(true), clock::now());
        assert!(recovery.handle(Input::Restarted, now).is_empty());
        assert!(recovery.handle(Input::Up, now + SECOND / 10).is_empty());
        assert!(recovery.handle(Input::Up, now + SECOND).is_empty());
    }

    proptest! {
        /// Whatever else happens: without a path it ends after thirty seconds, and restarts are
        /// never closer than asked for.
        #[test]
        fn it_always_comes_to_an_end(
            is_initiator: bool,
            steps in prop::collection::vec((0..4_u8, 0..3000_u64), 1..80),
        ) {
            let (mut recovery, mut now) = (Recovery::new(is_initiator), clock::now());
            recovery.handle(Input::Silent, now);
            let start = now;
            let mut over = false;
            for (what, millis) in steps {
                now += Duration::from_millis(millis);
                let input = match what {
                    0 => Input::Silent,
                    1 => Input::Restarted,
                    2 => Input::NetworkChanged { is_path_gone: false },
                    _ => Input::Due,
                };
                over |= recovery.handle(input, now).contains(&Effect::GiveUp);
                if what != 1 {
                    prop_assert!(over || now - start < GIVEN_UP_AFTER);
                }
                if over {
                    break;
                }
            }
        }
    }
}
