//! What the other side is told that it has of time.

use std::time::Duration;

/// The longest time that is told, in place of none at all: a duration of Go's ends after 292 years.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What a plugin is told that is left of a call.
pub(crate) fn tellable(left: Duration) -> Duration {
    left.min(LONGEST)
}
