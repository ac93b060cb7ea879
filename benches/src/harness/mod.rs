//! How a row is measured.
//!
//! - A group's rows are timed in **rounds**: each round times every row once, in an order that shifts by one from round to
//!   round, so that a slow moment of the machine hits all rows alike. The number of calls is calibrated so that one row
//!   takes about 3 ms of a round, and 24 ms where its calls wait for others.
//! - **ns per call** is the median over the rounds, **spread** the distance between the quartiles. A ratio between two rows
//!   is the median of the ratios within each round.
//! - **p50** and **p99** are of calls that leave the thread, each timed on its own, over all rounds: where many call at once a call
//!   takes longer than the time per call, in which all together make one more.
//! - **allocations** are the calls to the allocator (`alloc`, `alloc_zeroed`, `realloc`) that one call makes on its own
//!   thread, after the row has warmed up.
//! - **two threads** make calls at the same time for at least 20 ms: shorter runs can take turns on one core and hide
//!   contention. Shown are the throughput against one thread (2.00x is perfect) and how long a call takes on its thread.
//!   Beneath the table stands what two threads reached that share nothing: less than 1.8x means a busy machine.

mod aim;
mod aims;
mod alloc;
mod case;
mod clock;
mod columns;
mod counted;
mod drive;
mod group;
mod histogram;
mod machine;
mod measure;
mod measured;
mod pair;
mod pending;
mod plan;
mod results;
mod round_trips;
mod sizes;
mod stats;
mod table;

pub(crate) use counted::{COUNTED, VALGRIND};
pub(crate) use histogram::Histogram;

pub use aims::Floors;
pub use alloc::{CountingAllocator, count_allocations, live_bytes};
pub use case::Case;
pub use drive::{Echo, call_now, echo, poll_ready_now};
pub use group::{Group, OwnTable};
pub use machine::{Machine, lock_versions, rustc_version};
pub use measured::{Measured, Measurement, TwoThreads, Waits};
pub use pending::{PendingOnce, SecondPoll};
pub use plan::Plan;
pub use results::{Section, merge_results, results_header};
pub use round_trips::Caller;
pub(crate) use sizes::{Sizes, sizes_table};
pub(crate) use stats::{median, quantile};
pub use table::markdown;
