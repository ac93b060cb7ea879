//! What was found out.

/// What was found out about a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// In the order of the group.
    pub rows: Vec<Measured>,
    /// The throughput of two threads relative to one where they share nothing: what the machine had to give while the rows
    /// were timed. Well below 2 it was busy with something else. `None` on a single core.
    pub unshared_scaling: Option<f64>,
}

/// What was found out about one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The row.
    pub name: String,
    /// Median time of a call.
    pub ns_per_call: f64,
    /// Interquartile range of the time of a call.
    pub spread: f64,
    /// How long calls take each on its own, where they wait for others.
    pub waits: Option<Waits>,
    /// Time relative to the first row of the group.
    pub to_first: f64,
    /// A row that this one was compared with, and the time relative to it.
    pub to_peer: Option<(String, f64)>,
    /// Calls to the allocator per call.
    pub allocations: f64,
    /// The two-thread run, where there was one.
    pub two_threads: Option<TwoThreads>,
}

/// How long calls take from their beginning to their answer, over all rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waits {
    /// Nanoseconds within which half of them were over.
    pub p50: f64,
    /// Nanoseconds within which 99 of 100 were.
    pub p99: f64,
}

/// Two threads that call at the same time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoThreads {
    /// Throughput relative to one thread.
    pub scaling: f64,
    /// Median time of a call on its thread.
    pub ns_per_call: f64,
}
