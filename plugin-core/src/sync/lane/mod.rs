//! Whose a count is: adding to one that nobody else writes needs no read-modify-write.

mod owners;

use std::{cell::Cell, fmt, marker::PhantomData, sync::OnceLock};

pub use owners::LANES;
use owners::{COMMON, Owners};

/// The atomics of a lane; a model brings those of loom.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
}

use atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// The most stripes that there are.
const MOST_STRIPES: usize = 64;

/// How many stripes there are: the number of processors, rounded up to a power of two, at most 64.
#[must_use]
pub fn stripe_count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        std::thread::available_parallelism().map_or(1, usize::from).next_power_of_two().min(MOST_STRIPES)
    })
}

/// The stripe of the current thread, less than [`stripe_count`]. Threads take stripes in turn.
#[must_use]
#[inline]
pub fn stripe() -> usize {
    lane().stripe()
}

/// The lane of the current thread. It takes one of its stripe when it first asks, and gives it back when it ends; where all
/// are taken it goes on the common one.
#[must_use]
#[inline]
pub fn lane() -> Lane {
    // A thread that is being torn down has given its lane back. Without the cell any common lane is correct, only slower.
    let number = LANE
        .try_with(|lane| match lane.get() {
            UNSET => assign(lane),
            number => number,
        })
        .unwrap_or(0);
    Lane { number, of_this_thread: PhantomData }
}

/// A part of a stripe. What a thread counts on a lane of its own nobody else writes, so that it adds by a load and a store,
/// which costs a fraction of a read-modify-write.
///
/// It is the lane of one thread, which cannot hand it to another.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    number: usize,
    of_this_thread: PhantomData<*const ()>,
}

impl Lane {
    /// The stripe that it is part of, less than [`stripe_count`].
    #[must_use]
    #[inline]
    pub const fn stripe(self) -> usize {
        self.number / LANES
    }

    /// Its place within the stripe, less than [`LANES`].
    #[must_use]
    #[inline]
    pub const fn within(self) -> usize {
        self.number % LANES
    }

    /// Whether it belongs to this thread alone.
    #[must_use]
    #[inline]
    pub const fn is_own(self) -> bool {
        owners::is_own(self.within())
    }

    /// Adds to a cell that is written on this lane alone: one of this stripe, and of this place within it. A cell on which other lanes
    /// add too loses counts.
    #[inline]
    pub fn add(self, cell: &AtomicU64, n: u64) {
        owners::add(cell, n, self.within());
    }
}

/// A count of one stripe, with a cell for each of its lanes.
#[derive(Default)]
pub struct LaneCount([AtomicU64; LANES]);

impl LaneCount {
    /// Adds on this lane, which must be one of the stripe that this count belongs to: it lies in the state of one stripe of a
    /// [`Striped`](super::Striped), and that stripe is [`Lane::stripe`]. Lanes of two stripes would write the same cell, and counts
    /// would be lost. A count that is not in a stripe is a [`StripedCounter`](super::StripedCounter).
    #[inline]
    pub fn add(&self, lane: Lane, n: u64) {
        lane.add(&self.0[lane.within()], n);
    }

    /// The sum over the lanes, wrapping at 64 bits. Additions that run meanwhile may or may not be in it.
    #[must_use]
    pub fn sum(&self) -> u64 {
        // Acquire: pairs with `Lane::add`.
        self.0.iter().fold(0, |sum, cell| sum.wrapping_add(cell.load(Ordering::Acquire)))
    }

    /// What was counted on this lane alone. It is cheaper to read than the sum, and enough for what is to happen now and then.
    #[must_use]
    #[inline]
    pub fn of_lane(&self, lane: Lane) -> u64 {
        self.0[lane.within()].load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LaneCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LaneCount").field(&self.sum()).finish()
    }
}

const UNSET: usize = usize::MAX;

// There is nothing in it to drop, so it is there until the thread's very end.
thread_local!(static LANE: Cell<usize> = const { Cell::new(UNSET) });

#[cold]
fn assign(lane: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: a number is taken, nothing is published with it.
    let stripe = NEXT.fetch_add(1, Ordering::Relaxed) & (stripe_count() - 1);
    // Without its keeper, as in a thread that is being torn down, nobody would give a lane back.
    let within = KEEPER.try_with(|keeper| keeper.take(stripe)).unwrap_or(COMMON);
    lane.set(stripe * LANES + within);
    lane.get()
}

static OWNERS: [Owners; MOST_STRIPES] = [const { Owners(AtomicU8::new(0)) }; MOST_STRIPES];

/// Gives the lane of a thread back when that ends.
struct Keeper(Cell<usize>);

thread_local!(static KEEPER: Keeper = const { Keeper(Cell::new(COMMON)) });

impl Keeper {
    fn take(&self, stripe: usize) -> usize {
        let within = OWNERS[stripe].take();
        self.0.set(stripe * LANES + within);
        within
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let (stripe, within) = (self.0.get() / LANES, self.0.get() % LANES);
        if within != COMMON {
            // First: what this thread still counts while it is torn down goes on the common lane.
            let _ = LANE.try_with(|lane| lane.set(stripe * LANES + COMMON));
            OWNERS[stripe].give_back(within);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Barrier, thread};

    use super::*;

    #[test]
    fn a_thread_keeps_its_lane_and_threads_are_spread_over_all_stripes() {
        assert_eq!((lane().number, stripe()), (lane().number, lane().stripe()));
        let stripes: HashSet<_> =
            (0..64 * stripe_count()).map(|_| thread::spawn(stripe).join().expect("no panic")).collect();
        assert_eq!(stripes.len(), stripe_count());
    }

    #[test]
    fn no_lane_has_two_owners_at_once_and_who_has_none_shares_one() {
        let many = 2 * LANES * stripe_count();
        let all_there = Barrier::new(many);
        let lanes: Vec<_> = thread::scope(|scope| {
            let ask = || {
                let lane = lane();
                all_there.wait();
                (lane.number, lane.is_own())
            };
            let threads: Vec<_> = (0..many).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let owned: Vec<_> = lanes.iter().filter(|(_, is_own)| *is_own).map(|(number, _)| *number).collect();
        assert_eq!(owned.iter().collect::<HashSet<_>>().len(), owned.len(), "{owned:?}");
        assert!(owned.len() < many, "there are fewer lanes than threads");
        assert!(owned.iter().all(|number| *number < LANES * stripe_count()));
    }

    #[test]
    fn a_lane_is_somebody_elses_when_its_thread_has_ended_and_nothing_that_was_counted_on_it_is_lost() {
        let owners = Owners(AtomicU8::new(0));
        let cells = LaneCount::default();
        // More threads than lanes take a lane, count on it and give it back, over and over.
        thread::scope(|scope| {
            for _ in 0..2 * LANES {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let within = owners.take();
                        let lane = Lane { number: within, of_this_thread: PhantomData };
                        (0..10).for_each(|_| cells.add(lane, 1));
                        if lane.is_own() {
                            owners.give_back(within);
                        }
                    }
                });
            }
        });
        assert_eq!(cells.sum(), 2 * LANES as u64 * 500 * 10);
        assert_eq!(owners.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_thread_that_has_given_its_lane_back_counts_on_the_common_one_however_late() {
        type Told = std::sync::mpsc::Sender<(bool, bool)>;

        struct Late(Cell<Option<Told>>);

        impl Drop for Late {
            fn drop(&mut self) {
                let is_given_back = KEEPER.try_with(|_| {}).is_err();
                if let Some(tell) = self.0.take() {
                    let _ = tell.send((is_given_back, lane().is_own()));
                }
            }
        }

        thread_local!(static LATE: Late = const { Late(Cell::new(None)) });
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            LATE.with(|late| late.0.set(Some(tell)));
            let _ = lane();
        });
        let (is_given_back, is_own) = told.recv().expect("it is dropped with its thread");
        assert!(!(is_given_back && is_own));
    }
}
