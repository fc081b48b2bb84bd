//! The only place that reads the clocks.

use std::time::Instant;

use time::OffsetDateTime;

/// Wall-clock time, for what is stored and signed.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Monotonic time, for deadlines and rates. It is tokio's, so a test that pauses tokio's clock
/// moves this one.
#[expect(clippy::disallowed_methods, reason = "this is the clock the rest of the server is handed")]
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}
