//! How long calls take: a percentile of the last half minute or so.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use plugin_core::{
    clock::Instant,
    sync::{Pad, stripe, stripe_count},
};

/// Eight buckets for each doubling, from 16 us to about 137 s: a bucket is at most an eighth wide.
const BUCKETS: usize = 168;
const UNIT_BITS: u32 = 14;

/// Fewer measurements say nothing of a tail.
const MIN_CALLS: u64 = 100;

/// How often the percentile is computed anew.
const REFRESH: Duration = Duration::from_secs(1);

/// A generation is forgotten after two of these.
const GENERATION: Duration = Duration::from_secs(15);

type Counts = Box<[Pad<[AtomicU32; BUCKETS]>]>;

/// Two generations of counts, striped so that threads do not meet, and the percentile as it was last computed.
pub(super) struct Latencies {
    generations: [Counts; 2],
    current: AtomicUsize,
    /// When the current generation began, in nanoseconds; zero until somebody asks.
    began: AtomicU64,
    /// When the percentile is due, in nanoseconds.
    due: AtomicU64,
    /// In nanoseconds; [`u64::MAX`] while it is not known.
    estimate: AtomicU64,
}

fn bucket(nanos: u64) -> usize {
    let units = nanos >> UNIT_BITS;
    if units < 8 {
        return units as usize;
    }
    let doubling = units.ilog2();
    let within = (units >> (doubling - 3)) & 7;
    ((doubling as usize - 2) * 8 + within as usize).min(BUCKETS - 1)
}

/// The first nanosecond above a bucket.
fn upper_edge(bucket: usize) -> u64 {
    let units = match bucket {
        small if small < 8 => small as u64 + 1,
        _ => (bucket as u64 % 8 + 9) << (bucket / 8 - 1),
    };
    units << UNIT_BITS
}

impl Latencies {
    pub(super) fn new() -> Self {
        let counts = || (0..stripe_count()).map(|_| Pad(std::array::from_fn(|_| AtomicU32::new(0)))).collect();
        Self {
            generations: [counts(), counts()],
            current: AtomicUsize::new(0),
            began: AtomicU64::new(0),
            due: AtomicU64::new(0),
            estimate: AtomicU64::new(u64::MAX),
        }
    }

    /// Books one call.
    #[inline]
    pub(super) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed, here and below: counts for an estimate. One that falls into a generation that is being emptied is
        // lost, which no percentile of a hundred calls and more can tell.
        let counts = &self.generations[self.current.load(Ordering::Relaxed) & 1];
        counts[stripe()].0[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
    }

    /// The time in which `percent` of the calls were answered, or `None` before there are enough. It is computed at most
    /// once a second, by one thread.
    pub(super) fn percentile(&self, percent: f64, now: Instant) -> Option<Duration> {
        let due = self.due.load(Ordering::Relaxed);
        let next = now.saturating_add(REFRESH).as_nanos();
        if now.as_nanos() >= due && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.turn(now);
            self.estimate.store(self.compute(percent).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        Some(self.estimate.load(Ordering::Relaxed)).filter(|nanos| *nanos != u64::MAX).map(Duration::from_nanos)
    }

    /// Computes anew at the next call, because the percentile that is asked for has changed.
    pub(super) fn forget_estimate(&self) {
        self.due.store(0, Ordering::Relaxed);
    }

    fn turn(&self, now: Instant) {
        let began = Instant::from_nanos(self.began.load(Ordering::Relaxed));
        if began == Instant::ZERO {
            self.began.store(now.as_nanos(), Ordering::Relaxed);
            return;
        }
        let age = now.saturating_since(began);
        if age < GENERATION {
            return;
        }
        let current = self.current.load(Ordering::Relaxed) & 1;
        if age >= GENERATION * 2 {
            empty(&self.generations[current]);
        }
        empty(&self.generations[1 - current]);
        self.current.store(1 - current, Ordering::Relaxed);
        self.began.store(now.as_nanos(), Ordering::Relaxed);
    }

    fn compute(&self, percent: f64) -> Option<u64> {
        let mut counts = [0_u64; BUCKETS];
        for stripe in self.generations.iter().flatten() {
            for (sum, count) in counts.iter_mut().zip(&stripe.0) {
                *sum += u64::from(count.load(Ordering::Relaxed));
            }
        }
        let total: u64 = counts.iter().sum();
        if total < MIN_CALLS {
            return None;
        }
        let rank = (total as f64 * percent / 100.0).ceil() as u64;
        let mut below = 0;
        counts
            .iter()
            .position(|count| {
                below += count;
                below >= rank
            })
            .map(upper_edge)
    }
}

fn empty(counts: &Counts) {
    counts.iter().flat_map(|stripe| &stripe.0).for_each(|count| count.store(0, Ordering::Relaxed));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_a_bucket_that_is_at_most_an_eighth_wide() {
        let mut nanos = 1_u64;
        while nanos < 130_000_000_000 {
            let edge = upper_edge(bucket(nanos));
            assert!(edge > nanos, "{nanos} {edge}");
            assert!(edge - nanos <= nanos / 8 + (1 << UNIT_BITS), "{nanos} {edge}");
            nanos += nanos / 7 + 1;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_percentile_is_known_from_the_hundredth_call_on() {
        let latencies = Latencies::new();
        let mut now = Instant::from_nanos(100_000_000_000);
        for millis in 1..=99 {
            latencies.record(Duration::from_millis(millis));
        }
        assert_eq!(latencies.percentile(95.0, now), None);
        latencies.record(Duration::from_millis(100));
        assert_eq!(latencies.percentile(95.0, now), None, "computed once a second");
        now = now.saturating_add(REFRESH);
        let p95 = latencies.percentile(95.0, now).expect("enough calls");
        assert!((95..=107).contains(&p95.as_millis()), "{p95:?}");
        latencies.forget_estimate();
        let p50 = latencies.percentile(50.0, now).expect("enough calls");
        assert!((50..=57).contains(&p50.as_millis()), "{p50:?}");
    }

    #[test]
    fn the_percentile_is_of_the_call_that_reaches_it() {
        let latencies = Latencies::new();
        (0..99).for_each(|_| latencies.record(Duration::from_millis(1)));
        latencies.record(Duration::from_secs(1));
        let of = |percent| {
            latencies.forget_estimate();
            latencies.percentile(percent, Instant::from_nanos(100_000_000_000)).expect("enough calls")
        };
        assert!(of(99.0) < Duration::from_millis(2));
        assert!(of(99.5) >= Duration::from_secs(1), "the hundredth of a hundred");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let latencies = Latencies::new();
        let start = Instant::from_nanos(100_000_000_000);
        assert_eq!(latencies.percentile(95.0, start), None);
        (0..1000).for_each(|_| latencies.record(Duration::from_secs(1)));
        let later = start.saturating_add(GENERATION);
        assert!(latencies.percentile(95.0, later).is_some());
        (0..1000).for_each(|_| latencies.record(Duration::from_millis(1)));
        let later = later.saturating_add(GENERATION);
        let p95 = latencies.percentile(95.0, later).expect("enough calls");
        assert!(p95 < Duration::from_millis(2), "{p95:?}");
        (0..1000).for_each(|_| latencies.record(Duration::from_millis(1)));
        let later = later.saturating_add(GENERATION * 3);
        assert_eq!(latencies.percentile(95.0, later), None);
    }
}
