//! What every layer costs, next to its peers: all rows of a group are timed in one process, in interleaved rounds.
//!
//! `cargo xtask bench [FILTER]` runs it. `README.md` says how a row is added, [`harness`] how it is measured, and
//! [`groups`] holds the rows.

pub mod cli;
pub mod groups;
pub mod harness;
pub mod instructions;

#[global_allocator]
static ALLOCATOR: harness::CountingAllocator = harness::CountingAllocator;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
