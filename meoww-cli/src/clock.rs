//! The one place where the media threads read the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic.
#[expect(clippy::disallowed_methods, reason = "media threads are edges: they pace themselves")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The date, which goes on while the machine sleeps, and may be set.
#[expect(clippy::disallowed_methods, reason = "the driver is an edge: credentials expire by date")]
pub(crate) fn date() -> SystemTime {
    SystemTime::now()
}

/// Since the Unix epoch, in units of 100 us, modulo 2^32.
#[expect(clippy::disallowed_methods, reason = "test pictures carry the time they were made")]
pub(crate) fn wall() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_micros() / 100) as u32
}
