//! What the last calls were: over a number of calls, or over a time.
//!
//! Successes are in the [cells](crate::success_counters); these hold the rest, under the breaker's lock, and are brought together
//! when a failure asks.

mod any_window;
mod calls;
mod time;

pub(crate) use any_window::AnyWindow;
use calls::CallWindow;
use time::TimeWindow;

/// What a window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}
