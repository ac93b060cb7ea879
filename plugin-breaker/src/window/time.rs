//! A window over a time.

use std::time::Duration;

use plugin_core::clock::{Instant, nanos};

use super::sums::Sums;
use crate::success_counters::BUCKETS;

/// Ten buckets. A window of length W covers the present bucket and the nine before it: never more than W back, and never
/// less than nine tenths of it. Cost and size do not depend on how many calls are in it.
#[derive(Clone, Debug)]
pub(crate) struct TimeWindow {
    width: u64,
    buckets: [Bucket; BUCKETS],
}

/// 24 bytes. Counts stay at their largest value, which takes four billion failures within a tenth of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    number: u64,
    calls: u32,
    failures: u32,
    slow: u32,
}

impl Bucket {
    fn add(&mut self, sums: Sums) {
        let add = |count: &mut u32, more: u64| *count = count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        add(&mut self.calls, sums.calls);
        add(&mut self.failures, sums.failures);
        add(&mut self.slow, sums.slow);
    }

    fn sums(&self) -> Sums {
        Sums { calls: self.calls.into(), failures: self.failures.into(), slow: self.slow.into() }
    }
}

impl TimeWindow {
    pub(crate) fn new(window: Duration) -> Self {
        Self { width: (nanos(window) / BUCKETS as u64).max(1), buckets: [Bucket::default(); BUCKETS] }
    }

    /// Nanoseconds of one bucket.
    pub(crate) fn width(&self) -> u64 {
        self.width
    }

    /// The number of the bucket that this moment is in.
    pub(crate) fn number(&self, now: Instant) -> u64 {
        now.as_nanos() / self.width
    }

    /// Adds calls that are in no cell.
    pub(crate) fn record(&mut self, now: Instant, sums: Sums) {
        let number = self.number(now);
        let bucket = &mut self.buckets[(number % BUCKETS as u64) as usize];
        if bucket.number != number {
            if number < bucket.number {
                // A clock that was read before another thread's: that bucket has left the window.
                return;
            }
            *bucket = Bucket { number, ..Bucket::default() };
        }
        bucket.add(sums);
    }

    /// What the window holds, with the fast successes in each of its buckets, the present one last.
    pub(crate) fn sums(&self, now: Instant, fast: &[u64; BUCKETS]) -> Sums {
        let mut sums = Sums { calls: fast.iter().sum(), ..Sums::default() };
        self.live(now).for_each(|bucket| sums += bucket.sums());
        sums
    }

    fn live(&self, now: Instant) -> impl Iterator<Item = &Bucket> {
        let number = self.number(now);
        self.buckets.iter().filter(move |bucket| bucket.number <= number && number - bucket.number < BUCKETS as u64)
    }

    pub(crate) fn clear(&mut self) {
        self.buckets = [Bucket::default(); BUCKETS];
    }

    /// The buckets, oldest first, each with the moment in its middle, and the fast successes added.
    pub(crate) fn parts(&self, now: Instant, fast: &[u64; BUCKETS]) -> Vec<(Instant, Sums)> {
        let present = self.number(now);
        let mut parts = Vec::with_capacity(BUCKETS);
        for (index, successes) in fast.iter().enumerate() {
            let Some(number) = present.checked_sub((BUCKETS - 1 - index) as u64) else { continue };
            let mut sums = Sums { calls: *successes, ..Sums::default() };
            self.live(now).filter(|bucket| bucket.number == number).for_each(|bucket| sums += bucket.sums());
            let middle = Instant::from_nanos(number.saturating_mul(self.width).saturating_add(self.width / 2));
            parts.push((middle.min(now), sums));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURE: Sums = Sums { calls: 1, failures: 1, slow: 0 };

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(1_000_000_000_000 + millis * 1_000_000)
    }

    #[test]
    fn a_failure_leaves_after_nine_to_ten_tenths_of_the_window() {
        for offset in 0..100 {
            let mut window = TimeWindow::new(Duration::from_secs(1));
            window.record(at(offset), FAILURE);
            assert_eq!(window.sums(at(offset + 900), &[0; BUCKETS]).failures, 1, "{offset}");
            assert_eq!(window.sums(at(offset + 1000), &[0; BUCKETS]).failures, 0, "{offset}");
        }
    }

    #[test]
    fn a_late_reader_of_an_old_clock_does_not_disturb_a_newer_bucket() {
        let mut window = TimeWindow::new(Duration::from_secs(1));
        window.record(at(5000), FAILURE);
        window.record(at(4000), FAILURE);
        assert_eq!(window.sums(at(5000), &[0; BUCKETS]).failures, 1);
    }

    #[test]
    fn the_parts_add_up_to_the_whole() {
        let mut window = TimeWindow::new(Duration::from_secs(1));
        (0..10).for_each(|index| window.record(at(index * 100), FAILURE));
        let fast = [3; BUCKETS];
        let mut sums = Sums::default();
        window.parts(at(950), &fast).iter().for_each(|(_, part)| sums += *part);
        assert_eq!(sums, window.sums(at(950), &fast));
        assert_eq!(sums, Sums { calls: 40, failures: 10, slow: 0 });
    }

    #[test]
    fn a_part_is_in_the_middle_of_its_bucket_and_never_later_than_now() {
        let window = TimeWindow::new(Duration::from_secs(1));
        let times = |now| window.parts(now, &[1; BUCKETS]).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(times(at(999)), Vec::from_iter((0..10).map(|index| at(index * 100 + 50))));
        assert_eq!(times(at(920))[8..], [at(850), at(920)]);
    }
}
