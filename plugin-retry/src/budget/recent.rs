//! How many calls succeeded in the last seconds, counted without two threads meeting.

use std::sync::OnceLock;

use plugin_core::sync::{LANES, Pad, lane};

use crate::sync::{Ordering, stripe_count};

use super::second::Cell;

/// The last `SLOTS` seconds of successes: one ring for each lane of a stripe that a call has succeeded on.
#[derive(Debug)]
pub(crate) struct Recent<const SLOTS: usize>(Box<[[OnceLock<Ring<SLOTS>>; LANES]]>);

pub(super) type Ring<const SLOTS: usize> = Box<Pad<[Cell; SLOTS]>>;

impl<const SLOTS: usize> Recent<SLOTS> {
    pub(crate) fn new() -> Self {
        Self((0..stripe_count()).map(|_| std::array::from_fn(|_| OnceLock::new())).collect())
    }

    /// Adds one to this second.
    #[inline]
    pub(crate) fn add(&self, second: u32) {
        let lane = lane();
        self.add_on(lane.stripe(), lane.within(), lane.is_own(), second);
    }

    /// Adds one to this second on the lane at this place; `is_own`: nobody else adds on it.
    #[inline]
    pub(super) fn add_on(&self, stripe: usize, within: usize, is_own: bool, second: u32) {
        let cell = &self.ring(stripe, within).0[second as usize % SLOTS];
        if is_own { cell.add_alone(second) } else { cell.add(second) }
    }

    #[inline]
    pub(super) fn ring(&self, stripe: usize, within: usize) -> &Ring<SLOTS> {
        self.0[stripe][within].get_or_init(ring)
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
