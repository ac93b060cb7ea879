//! Where successes are counted: one block of cells per stripe of threads, so that two threads do not meet.

use plugin_core::sync::Pad;

use crate::sync::{AtomicU64, Ordering, stripe, stripe_count};

/// Buckets of a time window. A model under loom has no use for as many atomics.
pub(crate) const BUCKETS: usize = if cfg!(loom) { 2 } else { 10 };

/// Counts of one stripe. 120 bytes, so that a block fills one padded line.
///
/// A cell is one word: a tag above, a count below. The tag says what the count belongs to, and one compare-and-swap both
/// checks it and adds, so a success of an earlier generation or bucket can never enter a later one.
struct Stripe {
    stripes: [AtomicU64; BUCKETS],
    /// Successes that are in no cell any more.
    retired: AtomicU64,
    rejected: AtomicU64,
    ignored: AtomicU64,
    cancelled: AtomicU64,
    stale: AtomicU64,
}

/// Counts that decide nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tally {
    Rejected,
    Ignored,
    Cancelled,
    Stale,
}

/// Which cell a success belongs to.
///
/// The highest bit of a cell says which of two forms it has, so that a cell can be read by whoever finds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountedIn {
    slot: usize,
    tag: u64,
    shift: u32,
}

impl CountedIn {
    const BUCKETED: u64 = 1 << 63;

    /// Without a time window: 15 bits of the generation over 48 of the count.
    #[inline]
    pub(crate) const fn whole(generation: u64) -> Self {
        Self { slot: 0, tag: generation & 0x7fff, shift: 48 }
    }

    /// In a time window: 7 bits of the generation and 24 of the bucket's number over 32 of the count. A count stays at
    /// its largest value, which would take 4 billion successes on one stripe within one bucket.
    ///
    /// A number comes back after 16 million buckets, two days of the narrowest ones. A cell that nobody touched for
    /// exactly that long, in the same generation, would be read as new.
    #[inline]
    pub(crate) const fn bucket(generation: u64, number: u64) -> Self {
        Self {
            slot: (number % BUCKETS as u64) as usize,
            tag: 1 << 31 | (generation & 0x7f) << 24 | number & 0xff_ffff,
            shift: 32,
        }
    }

    /// The largest count.
    const fn most(self) -> u64 {
        (1 << self.shift) - 1
    }

    const fn is_in(self, cell: u64) -> bool {
        cell >> self.shift == self.tag
    }

    /// Whether a cell of the same form is of a later generation, or of a later bucket of the same one.
    const fn is_before(self, cell: u64) -> bool {
        let (found, bits) = (cell >> self.shift, 63 - self.shift);
        if (found ^ self.tag) >> bits != 0 {
            return false;
        }
        // The distance in the circle of tags; the upper half is behind.
        let ahead = found.wrapping_sub(self.tag) & ((1 << bits) - 1);
        ahead != 0 && ahead < 1 << (bits - 1)
    }
}

/// The count in a cell of either form.
const fn count_in(cell: u64) -> u64 {
    if cell & CountedIn::BUCKETED == 0 { cell & 0xffff_ffff_ffff } else { cell & 0xffff_ffff }
}

pub(crate) struct SuccessCounters(Box<[Pad<Stripe>]>);

impl SuccessCounters {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        let stripe = || Stripe {
            stripes: std::array::from_fn(|_| zero()),
            retired: zero(),
            rejected: zero(),
            ignored: zero(),
            cancelled: zero(),
            stale: zero(),
        };
        Self((0..stripe_count()).map(|_| Pad(stripe())).collect())
    }

    #[inline]
    fn mine(&self) -> &Stripe {
        &self.0[stripe() & (self.0.len() - 1)].0
    }

    /// Counts a success.
    #[inline]
    pub(crate) fn add(&self, place: CountedIn) {
        let stripe = self.mine();
        let cell = &stripe.stripes[place.slot];
        // Relaxed, here and below: a count publishes nothing. Whoever sums for a decision saw the failure that asks for
        // it, and successes that run meanwhile may or may not be in the sum.
        let mut found = cell.load(Ordering::Relaxed);
        loop {
            let count = count_in(found);
            let is_mine = place.is_in(found);
            if count > 0 && (if is_mine { count == place.most() } else { place.is_before(found) }) {
                stripe.retired.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let new = if is_mine { found + 1 } else { place.tag << place.shift | 1 };
            match cell.compare_exchange_weak(found, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    if !is_mine && count > 0 {
                        stripe.retired.fetch_add(count, Ordering::Relaxed);
                    }
                    return;
                }
                Err(now) => found = now,
            }
        }
    }

    /// Counts something that decides nothing.
    #[inline]
    pub(crate) fn tally(&self, tally: Tally) {
        let stripe = self.mine();
        stripe.of(tally).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tallied(&self, tally: Tally) -> u64 {
        self.0.iter().map(|stripe| stripe.of(tally).load(Ordering::Relaxed)).sum()
    }

    fn sum(&self, place: CountedIn) -> u64 {
        let count = |stripe: &Pad<Stripe>| {
            let cell = stripe.stripes[place.slot].load(Ordering::Relaxed);
            if place.is_in(cell) { count_in(cell) } else { 0 }
        };
        self.0.iter().map(count).sum()
    }

    /// Successes of this generation, without a time window.
    pub(crate) fn of_generation(&self, generation: u64) -> u64 {
        self.sum(CountedIn::whole(generation))
    }

    /// Successes in each of the last buckets, the present one (`number`) last.
    pub(crate) fn of_buckets(&self, generation: u64, number: u64) -> [u64; BUCKETS] {
        std::array::from_fn(|index| {
            let bucket = number.checked_sub((BUCKETS - 1 - index) as u64);
            bucket.map_or(0, |number| self.sum(CountedIn::bucket(generation, number)))
        })
    }

    /// All successes ever. While another thread moves a cell to its next bucket the old count may be missing.
    pub(crate) fn ever(&self) -> u64 {
        let sum = |stripe: &Pad<Stripe>| {
            let live: u64 = stripe.stripes.iter().map(|cell| count_in(cell.load(Ordering::Relaxed))).sum();
            live + stripe.retired.load(Ordering::Relaxed)
        };
        self.0.iter().map(sum).sum()
    }

    /// Empties all cells, when a generation ends.
    pub(crate) fn drain(&self) {
        for stripe in &self.0 {
            for cell in &stripe.stripes {
                // Most cells are empty, and a load is cheaper than a swap.
                if cell.load(Ordering::Relaxed) != 0 {
                    let count = count_in(cell.swap(0, Ordering::Relaxed));
                    stripe.retired.fetch_add(count, Ordering::Relaxed);
                }
            }
        }
    }

    /// Bytes that the cells take.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.0)
    }
}

impl Stripe {
    fn of(&self, tally: Tally) -> &AtomicU64 {
        match tally {
            Tally::Rejected => &self.rejected,
            Tally::Ignored => &self.ignored,
            Tally::Cancelled => &self.cancelled,
            Tally::Stale => &self.stale,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_success_of_an_earlier_generation_never_enters_a_later_one() {
        let stripes = SuccessCounters::new();
        stripes.add(CountedIn::whole(1));
        stripes.add(CountedIn::whole(2));
        stripes.add(CountedIn::whole(1));
        assert_eq!((stripes.of_generation(1), stripes.of_generation(2)), (0, 1));
        assert_eq!(stripes.ever(), 3);
    }

    #[test]
    fn a_bucket_is_reused_when_its_time_has_come_round() {
        let stripes = SuccessCounters::new();
        for number in 100..=110 {
            stripes.add(CountedIn::bucket(7, number));
        }
        assert_eq!(stripes.of_buckets(7, 110), [1; BUCKETS]);
        assert_eq!(stripes.of_buckets(7, 115).iter().sum::<u64>(), 5);
        assert_eq!(stripes.of_buckets(8, 110), [0; BUCKETS]);
        assert_eq!(stripes.ever(), 11);
    }

    #[test]
    fn a_late_success_of_an_older_bucket_does_not_enter_the_one_that_has_its_cell() {
        let stripes = SuccessCounters::new();
        let (old, new) = (100, 100 + BUCKETS as u64);
        stripes.add(CountedIn::bucket(7, new));
        stripes.add(CountedIn::bucket(7, old));
        assert_eq!(stripes.of_buckets(7, new), std::array::from_fn(|index| u64::from(index == BUCKETS - 1)));
        assert_eq!((stripes.of_buckets(7, old).iter().sum::<u64>(), stripes.ever()), (0, 2));
        // Nor does one of an earlier generation, in the same bucket or another.
        stripes.add(CountedIn::bucket(6, new));
        stripes.add(CountedIn::bucket(6, new + BUCKETS as u64));
        assert_eq!((stripes.of_buckets(7, new).iter().sum::<u64>(), stripes.ever()), (1, 4));
    }

    #[test]
    fn what_is_of_another_generation_or_long_ago_is_in_no_sum() {
        for generation in [5, 6, 8, 9] {
            let stripes = SuccessCounters::new();
            stripes.add(CountedIn::whole(generation));
            stripes.add(CountedIn::bucket(generation, 101));
            assert_eq!((stripes.of_generation(7), stripes.of_buckets(7, 101)), (0, [0; BUCKETS]), "{generation}");
        }
        let stripes = SuccessCounters::new();
        stripes.add(CountedIn::bucket(7, 100));
        for power in 8..24 {
            let later = 100 + (BUCKETS as u64) * (1 << (power - 1));
            assert_eq!(stripes.of_buckets(7, later), [0; BUCKETS], "2^{power} buckets later");
        }
    }

    #[test]
    fn the_first_success_of_a_generation_counts_whatever_its_number_and_whatever_is_left_in_the_cell() {
        for generation in (1..1 << 16).step_by(97) {
            let stripes = SuccessCounters::new();
            stripes.add(CountedIn::whole(generation));
            assert_eq!(stripes.of_generation(generation), 1, "{generation}");
            // Another window, whose cells are of the other form.
            stripes.add(CountedIn::bucket(generation + 1, 110));
            assert_eq!(stripes.of_buckets(generation + 1, 110)[BUCKETS - 1], 1, "{generation}");
            stripes.add(CountedIn::whole(generation + 2));
            assert_eq!((stripes.of_generation(generation + 2), stripes.ever()), (1, 3), "{generation}");
        }
    }

    #[test]
    fn a_full_cell_counts_no_further_and_nothing_is_lost_from_the_total() {
        for place in [CountedIn::whole(3), CountedIn::bucket(3, 100)] {
            let stripes = SuccessCounters::new();
            let full = place.tag << place.shift | place.most();
            stripes.mine().stripes[place.slot].store(full, Ordering::Relaxed);
            stripes.add(place);
            assert_eq!((stripes.sum(place), stripes.ever()), (place.most(), place.most() + 1));
        }
    }

    #[test]
    fn each_thread_counts_in_its_own_stripe() {
        let stripes = SuccessCounters::new();
        let counts = || -> Vec<u64> {
            stripes.0.iter().map(|stripe| count_in(stripe.0.stripes[0].load(Ordering::Relaxed))).collect()
        };
        for _ in 0..2 * stripes.0.len() {
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    let (before, mine) = (counts(), stripe() & (stripes.0.len() - 1));
                    (0..100).for_each(|_| stripes.add(CountedIn::whole(1)));
                    for (index, (now, before)) in counts().into_iter().zip(before).enumerate() {
                        assert_eq!(now - before, if index == mine { 100 } else { 0 }, "stripe {index}");
                    }
                });
                thread.join().expect("no panic");
            });
        }
        assert!(counts().iter().all(|count| *count > 0), "every stripe was somebody's: {:?}", counts());
    }

    #[test]
    fn a_drained_cell_takes_any_generation_and_nothing_is_lost_from_the_total() {
        let stripes = SuccessCounters::new();
        stripes.add(CountedIn::bucket(250, 5));
        stripes.drain();
        stripes.add(CountedIn::whole(3));
        assert_eq!((stripes.of_generation(3), stripes.ever()), (1, 2));
    }

    #[test]
    fn no_success_is_lost_between_threads() {
        let stripes = SuccessCounters::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| stripes.add(CountedIn::whole(9))));
            }
        });
        assert_eq!(stripes.of_generation(9), 40_000);
    }

    #[test]
    fn a_stripe_is_one_padded_line() {
        assert_eq!(size_of::<Pad<Stripe>>(), 128);
    }
}
