//! The clock that every crate of the family reads.
//!
//! In an optimised build [`now`] reads the processor's time-stamp counter (through [`quanta`]), which costs less than
//! half of [`std::time::Instant::now`]. In a build with debug assertions, and with the feature `test-util`, it reads
//! tokio's clock instead, so a test that pauses tokio's clock moves breakers, buckets and budgets with it.
//!
//! A counter may be set back, jump or stand still: when a machine resumes from suspend, or a virtual one is moved to
//! another host. So each thread holds it to the monotonic clock (that of [`std::time::Instant`]) from millisecond to
//! millisecond, and whenever two readings are not in order. Time then goes on from there, and buckets, breakers and
//! budgets with it. What the monotonic clock does not count has not passed: on Linux and macOS the time while the machine
//! is suspended, so a breaker that was to stay open for 30 s when the lid was closed does so after it is opened.

mod anchored;
pub mod end;
#[cfg(any(debug_assertions, feature = "test-util"))]
pub mod fake;
mod instant;
mod reading;

pub use instant::{Instant, nanos};
pub(crate) use reading::on_tokio;
#[cfg(any(debug_assertions, feature = "test-util"))]
pub use reading::readings;
pub use reading::{now, wall};
