//! How long to wait before trying again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// Exponential back-off with equal jitter: attempt 0 waits 125 to 250 ms, each further one twice as
/// long, up to 7.5 to 15 s. `jitter` is uniform in 0..1, so that clients of a restarted server do
/// not come back all at once (M. Brooker, "Exponential Backoff And Jitter", 2015).
pub fn delay(attempt: u32, jitter: f64) -> Duration {
    let whole = FIRST.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST);
    whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_a_bound_and_never_overflows() {
        assert_eq!(delay(0, 1.0), Duration::from_millis(250));
        assert_eq!(delay(0, 0.0), Duration::from_millis(125));
        assert_eq!(delay(2, 1.0), Duration::from_secs(1));
        assert_eq!(delay(u32::MAX, 1.0), LONGEST);
    }
}
