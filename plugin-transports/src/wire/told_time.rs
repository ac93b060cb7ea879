//! The timeout that is sent to the other side.

use std::time::Duration;

use plugin_core::{PluginError, Sent, deadline::cut::AttemptTime};

/// The longest time that is told, in place of none at all: a duration of Go's ends after 292 years.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What a plugin is told that is left of a call.
pub(crate) fn tellable(left: Duration) -> Duration {
    left.min(LONGEST)
}

/// The time of a call was up before there was anything to send, and it was not the layer with the timer that found it out.
pub(crate) fn too_late(time: &AttemptTime) -> PluginError {
    time.refusal().with_stage(Some("before it was sent")).with_sent(Sent::Nothing).into()
}
