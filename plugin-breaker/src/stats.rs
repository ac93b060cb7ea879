//! The statistics of a breaker.

use std::time::Duration;

use plugin_core::clock::Instant;

use crate::CircuitState;

/// The statistics of a breaker at one moment. Counts are since the breaker was made, unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CircuitBreakerStats {
    /// The state. An open circuit turns half-open with the first call after its open time, not by itself.
    pub state: CircuitState,
    /// When this state began.
    pub since: Instant,
    /// Calls that succeeded, slow ones among them.
    pub successes: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Calls whose outcome says nothing of the service.
    pub ignored: u64,
    /// Calls that were dropped before they had an outcome.
    pub cancelled: u64,
    /// Calls that were slow, whether they failed or not. Only counted with a rule for slow calls.
    pub slow: u64,
    /// Calls whose outcome came after the state had changed, and was not counted.
    pub stale: u64,
    /// Calls that were refused.
    pub rejected: u64,
    /// Failures in a row, up to now.
    pub failures_in_a_row: u32,
    /// The counts of the window; `None` where no rule reads one.
    pub window: Option<WindowStats>,
    /// Probes that hold a place: those that run and have not outlived the half-open time.
    pub probes: u32,
    /// How often the circuit opened.
    pub opened: u64,
    /// How often it would have, in [`CircuitState::MetricsOnly`].
    pub would_have_opened: u64,
    /// The last failure.
    pub last_failure: Option<Instant>,
    /// When the next call passes, while the circuit is open.
    pub next_attempt: Option<Instant>,
    /// How long the circuit was, or is, open the last time.
    pub last_open_time: Option<Duration>,
}

impl CircuitBreakerStats {
    /// Calls that had an outcome: successes, failures and ignored ones.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.successes + self.failures + self.ignored
    }
}

/// The counts of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct WindowStats {
    /// Calls.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were slow.
    pub slow: u64,
}

impl WindowStats {
    /// The share that failed; zero of no calls.
    #[must_use]
    pub fn failure_rate(&self) -> f64 {
        share(self.failures, self.calls)
    }

    /// The share that was slow; zero of no calls.
    #[must_use]
    pub fn slow_rate(&self) -> f64 {
        share(self.slow, self.calls)
    }
}

pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
