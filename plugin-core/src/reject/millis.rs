//! Times in headers.

use std::time::Duration;

/// Whole milliseconds, rounded up: a client that comes back on the millisecond must not be early.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(plugin_core::millis_up(Duration::from_micros(1_560)), 2);
/// ```
#[must_use]
pub fn millis_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
