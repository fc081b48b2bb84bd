//! How long a socket may live: no longer than the session it was opened under.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{clock, core::session::SessionId, store::Store};

/// Pause before the store is asked again after it could not answer.
const RETRY: Duration = Duration::from_secs(60);

/// Completes when the session is over: ended, or not refreshed in time. `end` is what the store says
/// of it now. Whoever ends a session tells the hub, too; this is for those that just run out.
pub(crate) async fn over(store: &Store, session: SessionId, mut end: Option<OffsetDateTime>) {
    while let Some(at) = end {
        let left = Duration::try_from(at - clock::now()).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
        end = store.session_end(session).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not look up a session");
            Some(clock::now() + RETRY)
        });
    }
}
