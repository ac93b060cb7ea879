//! Real time.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the harness measures real time, also of code on a paused clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}
