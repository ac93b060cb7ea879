//! Moments and durations in JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugin_core::go_duration;

/// In milliseconds since 1970.
pub(super) fn epoch_ms(at: SystemTime) -> Option<u64> {
    at.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok())
}

/// To the microsecond: nobody reads the nanoseconds of a percentile.
pub(super) fn short(duration: Duration) -> String {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros == 0 { go_duration::format(duration) } else { go_duration::format(Duration::from_micros(micros)) }
}
