//! Moments in JSON.

use std::time::{SystemTime, UNIX_EPOCH};

/// In milliseconds since 1970.
pub(super) fn epoch_ms(at: SystemTime) -> Option<u64> {
    at.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok())
}
