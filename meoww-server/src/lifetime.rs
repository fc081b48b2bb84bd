//! How long a socket may live: no longer than the session it was opened under.

use std::time::Duration;

use crate::{clock, core::session::SessionId, store::Store};

/// Pause before the store is asked again after it could not answer.
const RETRY: Duration = Duration::from_secs(60);

/// Completes when the session is over: ended, or not refreshed in time. Whoever ends a session tells
/// the hub, too; this is for those that just run out.
pub(crate) async fn over(store: &Store, session: SessionId) {
    loop {
        let left = match store.session_end(session).await {
            Ok(None) => return,
            Ok(Some(end)) => Duration::try_from(end - clock::now()).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "could not look up a session");
                RETRY
            }
        };
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}
