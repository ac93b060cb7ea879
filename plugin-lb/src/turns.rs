//! What the picks of a balancer count together: whose turn it is, and where the load is bounded the calls in flight.

use plugin_core::sync::{Lease, Pad, Striped, stripe, stripe_count};

use crate::sync::{AtomicU64, Ordering};

/// Counts up, for each stripe of threads on its own.
pub(crate) struct Turns {
    turns: Box<[Pad<AtomicU64>]>,
    in_flight: Striped<()>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { turns: (0..stripe_count()).map(|_| Pad::default()).collect(), in_flight: Striped::new(()) }
    }

    pub(crate) fn next(&self) -> u64 {
        // Relaxed: turns are taken, nothing is published with them.
        self.turns[stripe()].fetch_add(1, Ordering::Relaxed)
    }

    /// One more call in flight on all instances, until the lease is gone.
    pub(crate) fn lease(&self) -> Lease<()> {
        self.in_flight.lease()
    }

    /// Calls in flight on all instances that have such a lease.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.leases()
    }
}
