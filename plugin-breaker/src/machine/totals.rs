//! What is counted under the lock.

use plugin_core::clock::Instant;

/// Counts since the breaker was made, of what is not counted in cells.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) failures: u64,
    pub(super) slow: u64,
    pub(super) slow_successes: u64,
    pub(super) probe_successes: u64,
    pub(super) opened: u64,
    pub(super) would_have_opened: u64,
    pub(super) last_failure: Option<Instant>,
}
