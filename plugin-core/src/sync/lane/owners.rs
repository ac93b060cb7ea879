//! Who has which lane of a stripe, and how a count is added on one.
//!
//! `tests/loom.rs` checks every interleaving of this.

use super::atomic::{AtomicU8, AtomicU64, Ordering};

/// Lanes of a stripe: one for all threads that have none of their own, and three that belong to one thread each.
pub const LANES: usize = 4;

/// The lane of a stripe that is nobody's own.
pub(super) const COMMON: usize = 0;

/// Whether the lane at this place of a stripe belongs to one thread.
#[inline]
pub(super) const fn is_own(within: usize) -> bool {
    within != COMMON
}

/// Adds to a cell of the lane at this place of a stripe.
#[inline]
pub(super) fn add(cell: &AtomicU64, n: u64, within: usize) {
    // Release: who reads this with acquire sees what the thread has counted before.
    if is_own(within) {
        // Nobody else writes it between the two. Of a thread that had the lane before, `Owners` has shown what it wrote.
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Release);
    } else {
        cell.fetch_add(n, Ordering::Release);
    }
}

/// Which lanes of a stripe have an owner, as bits.
pub(super) struct Owners(pub(super) AtomicU8);

impl Owners {
    /// Takes a free lane; without one, the common one.
    pub(super) fn take(&self) -> usize {
        let mut taken = self.0.load(Ordering::Relaxed);
        loop {
            let Some(free) = (COMMON + 1..LANES).find(|within| taken & 1 << within == 0) else { return COMMON };
            // Acquire: pairs with `give_back`, so that this thread goes on from what the last one has written.
            match self.0.compare_exchange_weak(taken, taken | 1 << free, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return free,
                Err(present) => taken = present,
            }
        }
    }

    /// Gives back a lane that was somebody's own.
    pub(super) fn give_back(&self, within: usize) {
        // Release: pairs with `take`, also when others take or give back a lane in between.
        self.0.fetch_and(!(1 << within), Ordering::Release);
    }
}
