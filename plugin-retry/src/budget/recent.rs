//! How many calls succeeded in the last seconds, counted without two threads meeting.

use plugin_core::sync::{Pad, stripe, stripe_count};

use crate::sync::Ordering;

use super::second::Cell;

/// The last `SLOTS` seconds of successes: one ring per stripe of threads.
#[derive(Debug)]
pub(crate) struct Recent<const SLOTS: usize>(Box<[Pad<[Cell; SLOTS]>]>);

impl<const SLOTS: usize> Recent<SLOTS> {
    pub(crate) fn new() -> Self {
        Self((0..stripe_count()).map(|_| Pad(std::array::from_fn(|_| Cell::new()))).collect())
    }

    /// Adds one to this second.
    #[inline]
    pub(crate) fn add(&self, second: u32) {
        self.0[stripe()].0[second as usize % SLOTS].add(second);
    }

    /// The successes of the `window` seconds that end with this one.
    pub(crate) fn sum(&self, second: u32, window: u32) -> u64 {
        let first = second.saturating_sub(window.saturating_sub(1));
        let cells = self.0.iter().flat_map(|ring| &ring.0).map(|cell| cell.read(Ordering::Relaxed));
        cells.filter(|cell| (first..=second).contains(&cell.second)).map(|cell| u64::from(cell.count)).sum()
    }
}
