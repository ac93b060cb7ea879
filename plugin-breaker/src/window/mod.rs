//! The outcomes of the last calls: the last N of them, or those of a period.
//!
//! Successes are in the [cells](crate::success_counters); these hold the rest, under the breaker's lock, and are brought together
//! when a failure asks.

mod any_window;
mod calls;
mod sums;
mod time;

pub(crate) use any_window::AnyWindow;
pub(crate) use sums::Sums;
