//! Buckets for durations: four per doubling, from a microsecond to a minute.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The first bucket ends here: 2^10 ns, about a microsecond.
const FIRST: u32 = 10;
/// The last bounded bucket ends here: 2^36 ns, about 69 seconds.
const LAST: u32 = 36;
/// Buckets per doubling, as a power of two.
const SPLIT: u32 = 2;
/// Below the first bound, four per doubling, and above the last bound.
pub(super) const BUCKETS: usize = 2 + ((LAST - FIRST) << SPLIT) as usize;

/// The bucket of a duration. Neighbouring bounds differ by at most a quarter, so a percentile read from the buckets is
/// off by at most that.
pub(super) fn bucket_of(nanos: u64) -> usize {
    if nanos < 1 << FIRST {
        return 0;
    }
    let octave = nanos.ilog2();
    if octave >= LAST {
        return BUCKETS - 1;
    }
    let quarter = (nanos >> (octave - SPLIT)) & ((1 << SPLIT) - 1);
    1 + (((octave - FIRST) << SPLIT) as usize) + quarter as usize
}

/// The upper bounds of all buckets but the last, which has none. Ascending.
#[must_use]
pub fn bucket_bounds() -> impl ExactSizeIterator<Item = Duration> {
    (0..BUCKETS - 1).map(|index| Duration::from_nanos(upper_bound(index)))
}

fn upper_bound(index: usize) -> u64 {
    let steps = index as u64;
    let octave = FIRST as u64 + (steps >> SPLIT);
    let quarter = steps & ((1 << SPLIT) - 1);
    (1 << octave) + (quarter << (octave - u64::from(SPLIT)))
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

/// One stripe's buckets.
#[derive(Debug)]
pub(super) struct Histogram {
    cells: Box<[Cell]>,
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
            cells: (0..BUCKETS).map(|_| Cell::default()).collect(),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }

    // All accesses are relaxed: the numbers are independent counts, and publish nothing.

    pub(super) fn record(&self, nanos: u64) {
        let cell = &self.cells[bucket_of(nanos)];
        cell.count.fetch_add(1, Ordering::Relaxed);
        cell.sum.fetch_add(nanos, Ordering::Relaxed);
        if nanos < self.min.load(Ordering::Relaxed) {
            self.min.fetch_min(nanos, Ordering::Relaxed);
        }
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(super) fn add_to(&self, buckets: &mut [Bucket], min: &mut u64, max: &mut u64) {
        for (bucket, cell) in buckets.iter_mut().zip(&self.cells) {
            bucket.count += cell.count.load(Ordering::Relaxed);
            bucket.sum += Duration::from_nanos(cell.sum.load(Ordering::Relaxed));
        }
        *min = (*min).min(self.min.load(Ordering::Relaxed));
        *max = (*max).max(self.max.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_ascend_and_neighbours_differ_by_at_most_a_quarter() {
        let bounds: Vec<_> = bucket_bounds().map(|bound| bound.as_nanos()).collect();
        assert_eq!(bounds.len(), BUCKETS - 1);
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1] && pair[1] * 4 <= pair[0] * 5));
        assert_eq!(*bounds.last().expect("not empty"), 1 << LAST);
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_above_it() {
        for (nanos, bucket) in [
            (0, 0),
            (1023, 0),
            (1024, 1),
            (1279, 1),
            (1280, 2),
            (2047, 4),
            (2048, 5),
            ((1 << LAST) - 1, BUCKETS - 2),
            (1 << LAST, BUCKETS - 1),
            (u64::MAX, BUCKETS - 1),
        ] {
            assert_eq!(bucket_of(nanos), bucket, "{nanos}");
        }
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
        [500, 300, 900].iter().for_each(|nanos| histogram.record(*nanos));
        assert_eq!(read(), (3, 1700, 300, 900));
    }

    proptest! {
        #[test]
        fn a_duration_lies_between_the_bounds_of_its_bucket(nanos in any::<u64>()) {
            let index = bucket_of(nanos);
            prop_assert!(index == 0 || upper_bound(index - 1) <= nanos);
            prop_assert!(index == BUCKETS - 1 || nanos < upper_bound(index));
        }
    }
}
