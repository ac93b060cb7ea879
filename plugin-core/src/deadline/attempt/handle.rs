//! The handle of an attempt limit.

use std::{sync::Arc, time::Duration};

use crate::deadline::limit::Limit;

/// Reads and changes the limit of an [`AttemptTimeoutLayer`](crate::deadline::AttemptTimeoutLayer).
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::deadline::AttemptTimeoutLayer;
///
/// let layer = AttemptTimeoutLayer::new(Duration::from_secs(5));
/// let handle = layer.handle();
/// handle.reconfigure(None); // no limit but the deadline
/// assert_eq!(handle.config(), None);
/// handle.reconfigure(Some(Duration::from_secs(2))); // for attempts that begin from now on
/// assert_eq!(handle.config(), Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug)]
pub struct AttemptTimeoutHandle(pub(super) Arc<Limit>);

impl AttemptTimeoutHandle {
    /// The limit, when there is one.
    #[must_use]
    pub fn config(&self) -> Option<Duration> {
        self.0.duration()
    }

    /// Changes the limit for attempts that begin from now on.
    pub fn reconfigure(&self, limit: Option<Duration>) {
        self.0.set(limit);
    }
}
