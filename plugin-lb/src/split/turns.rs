//! Whose turn it is, exactly.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use plugin_core::sync::Pad;

use super::schedule;

/// Gives out the turns of an [`order`](schedule::order), over all threads together.
///
/// Exactness over all threads needs one counter that all of them write, which is what a call costs here: two threads that
/// do nothing else meet on it.
pub(crate) struct ExactTurns {
    order: Box<[u8]>,
    taken: Pad<AtomicU64>,
}

impl ExactTurns {
    /// Turns in proportion to these weights, of which none is 0: at most [`schedule::MOST`], and no more of them in a period
    /// than [`schedule::LONGEST`].
    pub(crate) fn new(weights: &[u32]) -> Self {
        Self { order: schedule::order(&schedule::reduced(weights)), taken: Pad::default() }
    }

    /// Takes a turn: the index of the weight that it belongs to.
    #[inline]
    pub(crate) fn next(&self) -> usize {
        if self.order.len() < 2 {
            return 0;
        }
        // Relaxed: each turn is given once, which a read-modify-write promises, and nothing is published with it.
        let turn = self.taken.fetch_add(1, Ordering::Relaxed) % self.order.len() as u64;
        usize::try_from(turn).ok().and_then(|turn| self.order.get(turn)).map_or(0, |index| usize::from(*index))
    }
}

impl fmt::Debug for ExactTurns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactTurns").field("period", &self.order.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_together_take_each_share_to_the_turn() {
        const CALLS: usize = 100_000;
        for (weights, expected) in [(vec![9, 1], [180_000, 20_000, 0]), (vec![50, 30, 20], [100_000, 60_000, 40_000])] {
            let turns = ExactTurns::new(&weights);
            let count = || {
                (0..CALLS).fold([0_u32; 3], |mut counts, _| {
                    counts[turns.next()] += 1;
                    counts
                })
            };
            let (mine, other) = std::thread::scope(|scope| {
                let other = scope.spawn(count);
                (count(), other.join().expect("no panic"))
            });
            let sum: Vec<_> = mine.iter().zip(other).map(|(mine, other)| mine + other).collect();
            assert_eq!(sum, expected);
        }
    }
}
