//! What the last calls were: over a number of calls, or over a time.
//!
//! Successes are in the [cells](crate::success_counters); these hold the rest, under the breaker's lock, and are brought together
//! when a failure asks.

mod any_window;
mod calls;
mod sums;
mod time;

pub(crate) use any_window::AnyWindow;
pub(crate) use sums::Sums;
