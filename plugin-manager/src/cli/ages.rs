//! How long ago something was, and how long it is until then.

use std::time::{Duration, UNIX_EPOCH};

use plugin_core::{clock, rounded};
use serde_json::Value;

/// How long ago something was, of which the gateway tells the moment in milliseconds since 1970.
pub(super) struct Ages {
    now: u64,
}

impl Ages {
    pub(super) fn now() -> Self {
        let now = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) const fn at(now: u64) -> Self {
        Self { now }
    }

    pub(super) fn of(&self, at: &Value) -> Option<u64> {
        at.as_u64().map(|at| self.now.saturating_sub(at))
    }

    /// How long ago it was; no time where it is still to come, or not known.
    pub(super) fn past(&self, at: &Value) -> Duration {
        self.of(at).map(Duration::from_millis).unwrap_or_default()
    }

    /// How long it is until then; `None` where it is past.
    pub(super) fn until(&self, at: &Value) -> Option<Duration> {
        at.as_u64().and_then(|at| at.checked_sub(self.now)).filter(|left| *left > 0).map(Duration::from_millis)
    }

    /// As a person says it.
    pub(super) fn since(&self, at: &Value) -> String {
        self.of(at).map(Duration::from_millis).map_or_else(|| "-".to_owned(), |time| rounded(time).to_string())
    }
}
