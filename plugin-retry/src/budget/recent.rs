//! How many calls succeeded in the last seconds, counted without two threads meeting.

use std::sync::OnceLock;

use plugin_core::sync::{LANES, Pad, lane, stripe_count};

use crate::sync::Ordering;

use super::second::Cell;

/// The last `SLOTS` seconds of successes: one ring for each lane of a stripe that a call has succeeded on.
#[derive(Debug)]
pub(crate) struct Recent<const SLOTS: usize>(Box<[[OnceLock<Ring<SLOTS>>; LANES]]>);

type Ring<const SLOTS: usize> = Box<Pad<[Cell; SLOTS]>>;

impl<const SLOTS: usize> Recent<SLOTS> {
    pub(crate) fn new() -> Self {
        Self((0..stripe_count()).map(|_| std::array::from_fn(|_| OnceLock::new())).collect())
    }

    /// Adds one to this second.
    #[inline]
    pub(crate) fn add(&self, second: u32) {
        let lane = lane();
        let ring = self.0[lane.stripe()][lane.within()].get_or_init(ring);
        let cell = &ring.0[second as usize % SLOTS];
        // The threads of a model are coroutines on one real thread, whose lane they share.
        if lane.is_own() && cfg!(not(loom)) { cell.add_alone(second) } else { cell.add(second) }
    }

    /// The successes of the `window` seconds that end with this one.
    pub(crate) fn sum(&self, second: u32, window: u32) -> u64 {
        let first = second.saturating_sub(window.saturating_sub(1));
        let rings = self.0.iter().flatten().filter_map(OnceLock::get);
        let cells = rings.flat_map(|ring| &ring.0).map(|cell| cell.read(Ordering::Relaxed));
        cells.filter(|cell| (first..=second).contains(&cell.second)).map(|cell| u64::from(cell.count)).sum()
    }
}

fn ring<const SLOTS: usize>() -> Ring<SLOTS> {
    Box::new(Pad(std::array::from_fn(|_| Cell::new())))
}
