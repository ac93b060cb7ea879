//! Whose turn it is.

use plugin_core::sync::{Pad, stripe, stripe_count};

use crate::sync::{AtomicU64, Ordering};

/// Counts up, for each stripe of threads on its own.
pub(crate) struct Turns(Box<[Pad<AtomicU64>]>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self((0..stripe_count()).map(|_| Pad::default()).collect())
    }

    pub(crate) fn next(&self) -> u64 {
        // Relaxed: turns are taken, nothing is published with them.
        self.0[stripe()].fetch_add(1, Ordering::Relaxed)
    }
}
