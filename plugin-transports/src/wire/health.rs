//! How a plugin says that it is, before anybody is told.

use plugin_core::HealthStatus;

use super::bounded;

/// So many keys a plugin says of its health; what is more is left out.
pub(crate) const MOST_METADATA: usize = 64;

/// The health as it is told, for it is logged at each change and shown by others: without what `hidden` finds in it, and no more of
/// it than is kept of an error.
pub(crate) fn told(mut status: HealthStatus, hidden: impl Fn(&str) -> Option<String>) -> HealthStatus {
    let told = |text: String| bounded::text(hidden(&text).unwrap_or(text));
    status.message = told(status.message);
    let metadata = std::mem::take(&mut status.metadata).into_iter().take(MOST_METADATA);
    status.metadata = metadata.map(|(key, value)| (told(key), told(value))).collect();
    status
}
