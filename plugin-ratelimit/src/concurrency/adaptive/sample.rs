//! What a limit learns from.

use std::time::Duration;

/// What the calls of one window showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdaptiveSample {
    /// The mean time of the calls that were answered.
    pub latency: Duration,
    /// The most calls that were in flight at once.
    pub in_flight: u32,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were turned away by the service, or had their time and no answer.
    pub overloaded: u64,
    /// For how long the calls were counted.
    pub window: Duration,
}

impl AdaptiveSample {
    /// Calls that took `latency` on the mean, with at most so many in flight, in a window of this length. None of them was
    /// turned away.
    #[must_use]
    pub fn new(latency: Duration, in_flight: u32, answered: u64, window: Duration) -> Self {
        Self { latency, in_flight, answered, overloaded: 0, window }
    }

    /// So many calls besides were turned away by the service, or had their time and no answer.
    #[must_use]
    pub fn with_overloaded(mut self, overloaded: u64) -> Self {
        self.overloaded = overloaded;
        self
    }

    /// Whether calls were turned away: more than one in a hundred, so that a stray one among many says nothing.
    pub(super) fn is_overloaded(&self) -> bool {
        self.overloaded > 0 && self.overloaded.saturating_mul(100) >= self.answered.saturating_add(self.overloaded)
    }

    /// Whether so few calls came that they say nothing of this limit: less than half of it was in flight.
    pub(super) fn is_app_limited(&self, limit: f64) -> bool {
        f64::from(self.in_flight) * 2.0 < limit
    }

    /// Whether as many calls came as might.
    pub(super) fn is_saturated(&self, limit: f64) -> bool {
        f64::from(self.in_flight) >= limit.floor()
    }

    /// The latency in nanoseconds; `None` where no call was answered.
    pub(super) fn latency_nanos(&self) -> Option<f64> {
        let nanos = self.latency.as_secs_f64() * 1e9;
        (self.answered > 0 && nanos > 0.0).then_some(nanos)
    }

    /// Calls that were answered in a second.
    pub(super) fn throughput(&self) -> f64 {
        self.answered as f64 / self.window.as_secs_f64().max(1e-9)
    }
}
