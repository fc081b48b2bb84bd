//! More rounds of the `webrtc` crate's loop, where packets go through a relay.
//!
//! In each round the loop sends what is wrapped for the relay, takes what the connection has to send and
//! wraps it, takes what came from the relay, and then sleeps until something happens. So a packet that is to
//! be sent is sent a round late, and the answer to one that came two rounds: media waits for the next
//! packet, and a handshake, in which nothing else happens, until it is repeated. Here two rounds follow
//! each event at once.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// After each event.
const ROUNDS: u32 = 2;

/// The rounds that are still to follow the last event.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds(Arc<AtomicU32>);

impl Rounds {
    /// In place of the loop's sleep, which it drops when something happens.
    pub(super) fn sleep(
        &self,
        sleep: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let left = self.0.load(Ordering::Relaxed);
        // As if something had happened, until it is known to be a round that follows.
        self.0.store(ROUNDS, Ordering::Relaxed);
        let rounds = self.clone();
        async move {
            match left.checked_sub(1) {
                Some(left) => rounds.0.store(left, Ordering::Relaxed),
                None => sleep.await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Whether it sleeps, when nothing has happened by then.
    fn sleeps(rounds: &Rounds) -> bool {
        rounds.sleep(std::future::pending()).now_or_never().is_none()
    }

    #[test]
    fn two_rounds_follow_what_happens() {
        let rounds = Rounds::default();
        assert!(sleeps(&rounds), "nothing happened yet");
        // The sleep was dropped, as something happened.
        assert_eq!([(); 4].map(|()| sleeps(&rounds)), [false, false, true, false]);
        // In the first of two rounds.
        drop(rounds.sleep(std::future::pending()));
        assert_eq!([(); 3].map(|()| sleeps(&rounds)), [false, false, true]);
    }

    #[test]
    fn two_rounds_follow_a_timer() {
        let rounds = Rounds::default();
        assert!(rounds.sleep(std::future::ready(())).now_or_never().is_some());
        assert_eq!([(); 3].map(|()| sleeps(&rounds)), [false, false, true]);
    }
}
