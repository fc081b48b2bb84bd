//! When a picture that stays is drawn again, to become more exact.
//!
//! A painter makes it exact in about 25 times, which then take a second together.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A picture is at rest when the next one is not there after so long.
const AFTER: Duration = Duration::from_millis(200);
/// From one time to the next.
const EVERY: Duration = Duration::from_millis(30);

/// The picture that is shown, and when it is due to be drawn again.
#[derive(Debug, Default)]
pub(super) struct Rest {
    due: Option<Instant>,
}

impl Rest {
    /// A picture was drawn: a new one or, at rest, the same again.
    #[expect(clippy::disallowed_methods, reason = "a picture rests from now on")]
    pub(super) fn drawn(&mut self, is_again: bool) {
        self.due = Some(Instant::now() + if is_again { EVERY } else { AFTER });
    }

    /// It is as exact as it becomes.
    pub(super) fn settled(&mut self) {
        self.due = None;
    }

    /// Waits until the picture is due to be drawn again; for ever where it is not.
    ///
    /// Cancel safe.
    pub(super) async fn due(&mut self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(9);

    #[tokio::test(start_paused = true)]
    async fn a_picture_that_stays_is_drawn_25_times_in_a_second() {
        let mut rest = Rest::default();
        let times = async {
            rest.drawn(false);
            for _ in 0..25 {
                rest.due().await;
                rest.drawn(true);
            }
        };
        timeout(Duration::from_secs(1), times).await.expect("no later");
        rest.settled();
        assert!(timeout(LONG, rest.due()).await.is_err(), "nothing is left to improve");
    }

    #[tokio::test(start_paused = true)]
    async fn pictures_that_move_are_drawn_once() {
        let mut rest = Rest::default();
        assert!(timeout(LONG, rest.due()).await.is_err(), "there is none yet");
        for _ in 0..20 {
            rest.drawn(false);
            let next = Duration::from_millis(100);
            assert!(timeout(next, rest.due()).await.is_err(), "the next one is there");
        }
    }
}
