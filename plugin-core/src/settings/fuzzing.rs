//! The fuzz targets of what settings are written in.

use super::{byte_size, quantity};
use crate::go_duration;

/// A duration of a configuration is within its bound, and is shown as what reads back the same.
pub fn setting_duration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match quantity::duration(text) {
        Ok(duration) => {
            assert!(duration <= go_duration::MAX);
            assert_eq!(quantity::duration(&quantity::time(&duration)), Ok(duration));
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
    if let Ok(nanos) = text.parse()
        && let Ok(duration) = quantity::nanoseconds(nanos)
    {
        assert_eq!(duration.as_nanos().cast_signed(), nanos);
    }
}

/// A size is shown as what reads back the same.
pub fn setting_size(bytes: &[u8]) {
    let Some(Ok(size)) = std::str::from_utf8(bytes).ok().map(byte_size::parse) else { return };
    let shown = quantity::bytes(size);
    // A number of bytes stands without quotes and without a unit.
    let back = if shown.bytes().all(|byte| byte.is_ascii_digit()) {
        shown.parse().ok()
    } else {
        byte_size::parse(&shown).ok()
    };
    assert_eq!(back, Some(size), "{shown}");
}

#[cfg(test)]
fuzz_twins::twins!(setting_duration, setting_size);
