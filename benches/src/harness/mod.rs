//! How a row is measured.
//!
//! - A group's rows are timed in **rounds**: each round times every row once, in an order that shifts by one from round to
//!   round, so that a slow moment of the machine hits all rows alike. The number of calls is calibrated so that one row
//!   takes about 3 ms of a round, and 24 ms where its calls wait for others.
//! - **ns per call** is the median over the rounds, **spread** the distance between the quartiles. A ratio between two rows
//!   is the median of the ratios within each round.
//! - **allocations** are the calls to the allocator (`alloc`, `alloc_zeroed`, `realloc`) that one call makes on its own
//!   thread, after the row has warmed up.
//! - **two threads** make calls at the same time for at least 20 ms: shorter runs can take turns on one core and hide
//!   contention. Shown are the throughput against one thread (2.00x is perfect) and how long a call takes on its thread.
//!   Beneath the table stands what two threads reached that share nothing: less than 1.8x means a busy machine.

mod alloc;
mod clock;
mod drive;
mod group;
mod machine;
mod measure;
mod pair;
mod results;
mod round_trips;
mod stats;
mod table;

pub use alloc::{CountingAllocator, count_allocations};
pub use drive::{Echo, call_now, echo, poll_ready_now};
pub use group::{Case, Group, OwnTable};
pub use machine::{Machine, lock_versions};
pub use measure::{Measured, Measurement, Plan, TwoThreads};
pub use results::{Section, merge_results, results_header};
pub use round_trips::Caller;
pub(crate) use stats::{median, quantile};
pub use table::markdown;
