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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_by_milliseconds_is_not_early() {
        for (nanos, millis) in [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2)] {
            assert_eq!(millis_up(Duration::from_nanos(nanos)), millis);
        }
        assert_eq!(millis_up(Duration::MAX), u64::MAX);
    }
}
