//! Buckets for durations: ten per decade, from a microsecond to 100 seconds.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use plugin_core::sync::Lane;

/// The upper bounds within a decade, in hundredths. Round numbers, so that a bound can be shown as it is, and neighbours
/// that differ by at most 28 percent.
const STEPS: [u64; 10] = [100, 125, 160, 200, 250, 320, 400, 500, 630, 800];
/// The first bound: a microsecond, in nanoseconds.
const FIRST: u64 = 1_000;
/// From a microsecond to the last bound, 100 seconds.
const DECADES: usize = 8;
/// How many bounds there are.
const BOUNDS: usize = DECADES * STEPS.len() + 1;
/// One below each bound, and one above the last.
pub(super) const BUCKETS: usize = BOUNDS + 1;

/// In nanoseconds, ascending.
static UPPER: [u64; BOUNDS] = {
    let mut bounds = [0; BOUNDS];
    let (mut index, mut decade) = (0, FIRST);
    while index < BOUNDS {
        bounds[index] = decade / 100 * STEPS[index % STEPS.len()] + decade % 100 * STEPS[index % STEPS.len()] / 100;
        index += 1;
        if index % STEPS.len() == 0 {
            decade *= 10;
        }
    }
    bounds
};

/// Cells: four per doubling, for every number there is, the largest first. None is wide enough for two bounds. A power of
/// two, so that an index needs no check.
const CELLS: usize = 4 * u64::BITS as usize;

/// The bucket of the durations in a cell: `bucket`, or the next one for those that exceed `bound`.
#[derive(Clone, Copy)]
struct Near {
    bound: u64,
    bucket: usize,
}

static NEAR: [Near; CELLS] = {
    let mut near = [Near { bound: u64::MAX, bucket: 0 }; CELLS];
    // From 2^63, with no zero before its first bit, to 4, with 61. What is smaller is taken for 4 at least.
    let mut index = 4;
    while index < CELLS - 4 {
        let (zeros, leading) = (index as u32 / 4 - 1, index as u64 % 4 + 4);
        let from = leading << 61 >> zeros;
        let mut bucket = 0;
        while bucket < BOUNDS && from > UPPER[bucket] {
            bucket += 1;
        }
        near[index].bucket = bucket;
        if bucket < BOUNDS {
            near[index].bound = UPPER[bucket];
        }
        index += 1;
    }
    near
};

/// The bucket of a duration: the first whose bound is not below it, as in Prometheus' `le`.
#[inline]
pub(super) fn bucket_of(nanos: u64) -> usize {
    // How many zeros come before the highest bit, and that bit with the two below it.
    let at_least = nanos | 4;
    let zeros = at_least.leading_zeros();
    let near = NEAR[(zeros as usize * 4 + (at_least << zeros >> 61) as usize) % CELLS];
    near.bucket + usize::from(nanos > near.bound)
}

/// The upper bounds of all buckets but the last, which has none: 1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8 and 10 µs, and so
/// on by powers of ten up to 100 s. A duration that equals a bound is in the bucket beneath it.
#[must_use]
pub fn bucket_bounds() -> impl ExactSizeIterator<Item = Duration> {
    UPPER.iter().map(|nanos| Duration::from_nanos(*nanos))
}

/// One bucket of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Bucket {
    /// Calls in it.
    pub count: u64,
    /// Their durations together. Divided by the count it is exact, not the middle of the bucket.
    pub sum: Duration,
}

/// One lane's buckets.
#[derive(Debug)]
pub(super) struct Histogram {
    counters: Box<[Cell; BUCKETS]>,
    min: AtomicU64,
    max: AtomicU64,
}

#[derive(Debug, Default)]
struct Cell {
    count: AtomicU64,
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            counters: Box::new(std::array::from_fn(|_| Cell::default())),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }

    // All accesses may be relaxed: the numbers are independent counts, and publish nothing.

    /// On the lane whose histogram it is.
    pub(super) fn record(&self, lane: Lane, nanos: u64) {
        let cell = &self.counters[bucket_of(nanos)];
        lane.add(&cell.count, 1);
        lane.add(&cell.sum, nanos);
        if nanos < self.min.load(Ordering::Relaxed) {
            self.min.fetch_min(nanos, Ordering::Relaxed);
        }
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(super) fn add_to(&self, buckets: &mut [Bucket], min: &mut u64, max: &mut u64) {
        for (bucket, cell) in buckets.iter_mut().zip(self.counters.iter()) {
            bucket.count += cell.count.load(Ordering::Relaxed);
            bucket.sum += Duration::from_nanos(cell.sum.load(Ordering::Relaxed));
        }
        *min = (*min).min(self.min.load(Ordering::Relaxed));
        *max = (*max).max(self.max.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use plugin_core::sync::lane;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bounds_are_round_numbers_from_a_microsecond_to_100_seconds() {
        let bounds: Vec<_> = bucket_bounds().map(|bound| bound.as_nanos()).collect();
        assert_eq!(bounds[..11], [1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6300, 8000, 10_000]);
        assert_eq!(bounds[BOUNDS - 3..], [63_000_000_000, 80_000_000_000, 100_000_000_000]);
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1] && pair[1] * 100 <= pair[0] * 128));
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_beneath_it() {
        assert_eq!((bucket_of(0), bucket_of(1), bucket_of(999)), (0, 0, 0));
        for (index, bound) in UPPER.iter().enumerate() {
            assert_eq!((bucket_of(bound - 1), bucket_of(*bound), bucket_of(bound + 1)), (index, index, index + 1));
        }
        assert_eq!((bucket_of(1 << 37), bucket_of(u64::MAX)), (BUCKETS - 1, BUCKETS - 1));
    }

    #[test]
    fn what_is_recorded_is_read_with_its_sum_and_both_extremes() {
        let histogram = Histogram::new();
        let read = || {
            let (mut buckets, mut min, mut max) = (vec![Bucket::default(); BUCKETS], u64::MAX, 0);
            histogram.add_to(&mut buckets, &mut min, &mut max);
            (buckets[0].count, buckets[0].sum.as_nanos(), min, max)
        };
        assert_eq!(read(), (0, 0, u64::MAX, 0));
        [500, 300, 900].iter().for_each(|nanos| histogram.record(lane(), *nanos));
        assert_eq!(read(), (3, 1700, 300, 900));
    }

    proptest! {
        #[test]
        fn a_duration_lies_between_the_bounds_of_its_bucket(bits in 0_u32..=64, low in any::<u64>()) {
            // As many short ones as long ones.
            let nanos = low.checked_shr(bits).unwrap_or(0);
            let index = bucket_of(nanos);
            prop_assert!(index == 0 || UPPER[index - 1] < nanos);
            prop_assert!(index == BUCKETS - 1 || nanos <= UPPER[index]);
        }
    }
}
