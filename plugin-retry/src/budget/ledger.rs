//! How many retries were spent in the last seconds, decided by one word.
//!
//! The word holds the present second and a running count of all retries ever spent. Beside it stands, for each second of
//! the ring, what the count was when that second began; the difference is what the window has spent. A retry is spent by
//! one compare-and-swap of the word, so nothing that was read for the decision can have changed when it succeeds: no two
//! threads spend the same unit, and none is refused while a unit is left.

use crate::sync::{AtomicU64, Ordering};

use super::second::{Cell, Dated};

/// The last `SLOTS` seconds of spending.
#[derive(Debug)]
pub(crate) struct Ledger<const SLOTS: usize> {
    /// The latest second in which somebody asked, and the count (which wraps).
    packed: AtomicU64,
    /// The count at the beginning of each second.
    starts: [AtomicU64; SLOTS],
    /// Units that were given back, under the second in which they were spent.
    returned: [Cell; SLOTS],
}

impl<const SLOTS: usize> Ledger<SLOTS> {
    pub(crate) fn new() -> Self {
        Self {
            packed: AtomicU64::new(0),
            starts: std::array::from_fn(|_| AtomicU64::new(0)),
            returned: std::array::from_fn(|_| Cell::new()),
        }
    }

    /// Spends one unit if fewer than `allowed(second)` were spent in the `window` seconds that end with the present one.
    /// Gives back the second that it was booked under.
    ///
    /// `allowed` may be asked several times and has no effect of its own.
    pub(crate) fn spend(&self, second: u32, window: u32, allowed: impl Fn(u32) -> u64) -> Option<u32> {
        loop {
            let packed = self.advance(second);
            let held = Dated::unpack(packed);
            let spent = self.spent_at(held, window);
            if u64::from(spent) >= allowed(held.second) {
                return None;
            }
            let next = Dated { count: held.count.wrapping_add(1), ..held };
            // AcqRel: pairs with itself and with `advance`. Whoever reads this word also sees the starts that were
            // written before it.
            if self.packed.compare_exchange_weak(packed, next.pack(), Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(held.second);
            }
        }
    }

    /// Gives back a unit that was spent in this second and has bought nothing.
    pub(crate) fn give_back(&self, second: u32) {
        self.returned[slot::<SLOTS>(second)].add(second);
    }

    /// What the window that ends with this second has spent.
    pub(crate) fn spent(&self, second: u32, window: u32) -> u32 {
        self.spent_at(Dated::unpack(self.advance(second)), window)
    }

    fn spent_at(&self, held: Dated, window: u32) -> u32 {
        let first = held.second.saturating_sub(window.saturating_sub(1));
        // Relaxed: `advance` read the word with Acquire, and the start was written before the word.
        let start = Dated::unpack(self.starts[slot::<SLOTS>(first)].load(Ordering::Relaxed));
        // A start of another second means that a newer second took the slot, and then the word has moved as well: the
        // caller's compare-and-swap fails and it reads again. Zero is the state before the first second.
        let before = if start.second == first { start.count } else { 0 };
        let returned = self.returned.iter().map(|cell| cell.read(Ordering::Relaxed));
        let returned = returned.filter(|cell| (first..=held.second).contains(&cell.second)).map(|cell| cell.count);
        held.count.wrapping_sub(before).saturating_sub(returned.sum())
    }

    /// Brings the word to this second, or leaves it at a later one, and gives it back.
    fn advance(&self, second: u32) -> u64 {
        // Acquire: pairs with the compare-and-swap that wrote the word, so that its starts are visible.
        let mut packed = self.packed.load(Ordering::Acquire);
        loop {
            let held = Dated::unpack(packed);
            if held.second >= second {
                return packed;
            }
            let ring = u32::try_from(SLOTS).unwrap_or(u32::MAX);
            let first = (held.second + 1).max(second.saturating_sub(ring - 1));
            for begun in first..=second {
                self.begin(begun, held.count);
            }
            let next = Dated { second, count: held.count };
            // Release: the starts above are visible to whoever reads this word.
            match self.packed.compare_exchange_weak(packed, next.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return next.pack(),
                Err(seen) => packed = seen,
            }
        }
    }

    /// Notes the count at the beginning of a second. Several threads may do so at once with counts that they read at
    /// different moments. The largest is right: the one whose compare-and-swap succeeds has written the final count
    /// before, and nobody can have read a larger one under an earlier second.
    fn begin(&self, second: u32, count: u32) {
        let start = &self.starts[slot::<SLOTS>(second)];
        let mut packed = start.load(Ordering::Relaxed);
        loop {
            let held = Dated::unpack(packed);
            let is_later = count.wrapping_sub(held.count) as i32 > 0;
            if held.second > second || (held.second == second && !is_later) {
                return;
            }
            let next = Dated { second, count }.pack();
            // Relaxed: published by the word.
            match start.compare_exchange_weak(packed, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => packed = seen,
            }
        }
    }
}

const fn slot<const SLOTS: usize>(second: u32) -> usize {
    second as usize % SLOTS
}
