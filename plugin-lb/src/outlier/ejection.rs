//! What is counted against one instance, and until when it is ejected.

use std::time::Duration;

use plugin_core::clock::{self, Instant};

use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The state of one instance. While all is well a call reads one word of it, and a pick another.
#[derive(Debug, Default)]
pub(crate) struct Ejection {
    /// The end of the present ejection in nanoseconds; 0 while there is none.
    until: AtomicU64,
    /// Failures since the last success; and of those at the end, one after the other, how many were not sent.
    failures: AtomicU32,
    unreached: AtomicU32,
    /// It is back, and has answered nothing since: its first failure ejects it again.
    on_probation: AtomicBool,
    /// By how much the last ejection was longer than the first: what is left of it when the next one begins.
    times: AtomicU32,
    /// The end of the last ejection.
    back: AtomicU64,
    /// Ejections so far.
    ejections: AtomicU64,
}

impl Ejection {
    /// Whether it gets no calls now. What asks ends an ejection whose time is over.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // Relaxed here and below: each is a word by itself, and a pick that reads that of a moment ago is one of a moment ago.
        match self.until.load(Ordering::Relaxed) {
            0 => false,
            until => self.is_on_until(until),
        }
    }

    #[cold]
    fn is_on_until(&self, until: u64) -> bool {
        if clock::now().as_nanos() < until {
            return true;
        }
        self.on_probation.store(true, Ordering::Relaxed);
        // One thread ends it; to the others it is over too.
        let _ = self.until.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
        false
    }

    /// A call went well that began then; [`Instant::ZERO`] where nobody knows when.
    ///
    /// Says whether it is back with that.
    #[inline]
    pub(crate) fn succeeded(&self, began: Instant) -> bool {
        (self.failures.load(Ordering::Relaxed) != 0 || self.on_probation.load(Ordering::Relaxed))
            && self.succeeded_after_failures(began)
    }

    #[cold]
    fn succeeded_after_failures(&self, began: Instant) -> bool {
        let counts = !self.is_before(began);
        if counts { self.forget() } else { false }
    }

    /// Whether a call that began then is of before the end of the last ejection: it says nothing of how the instance is since.
    pub(super) fn is_before(&self, began: Instant) -> bool {
        began != Instant::ZERO && began.as_nanos() < self.back.load(Ordering::Relaxed)
    }

    /// Nothing is known of it any more.
    pub(super) fn clear(&self) {
        self.until.store(0, Ordering::Relaxed);
        self.back.store(0, Ordering::Relaxed);
        self.times.store(0, Ordering::Relaxed);
        self.forget();
    }

    /// Says whether it was on probation.
    #[cold]
    fn forget(&self) -> bool {
        self.failures.store(0, Ordering::Relaxed);
        self.unreached.store(0, Ordering::Relaxed);
        self.on_probation.swap(false, Ordering::Relaxed)
    }

    /// A call has failed. Says how many have one after the other, and of how many in a row nothing was sent.
    pub(super) fn failed(&self, is_unreached: bool) -> (u32, u32) {
        let add = |counter: &AtomicU32| counter.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let unreached = if is_unreached {
            add(&self.unreached)
        } else {
            self.unreached.store(0, Ordering::Relaxed);
            0
        };
        (add(&self.failures), unreached)
    }

    pub(super) fn is_on_probation(&self) -> bool {
        self.on_probation.load(Ordering::Relaxed)
    }

    /// Ejects it. Each ejection lasts for `first` longer than the one before, up to `longest`; for each `interval` without one
    /// that is taken back once.
    pub(super) fn eject(&self, first: Duration, longest: Duration, interval: Duration, now: Instant) -> Duration {
        let back = Instant::from_nanos(self.back.load(Ordering::Relaxed));
        let quiet = now.saturating_since(back).as_nanos() / interval.as_nanos().max(1);
        let before = self.times.load(Ordering::Relaxed);
        // No more than makes the longest, so that each quiet interval is felt.
        let most = longest.max(first).as_nanos().div_ceil(first.as_nanos().max(1));
        let times = before.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX)).saturating_add(1);
        let times = times.min(u32::try_from(most).unwrap_or(u32::MAX));
        let time = first.saturating_mul(times).min(longest.max(first));
        let until = now.saturating_add(time).as_nanos().max(1);
        self.times.store(times, Ordering::Relaxed);
        self.back.store(until, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.forget();
        self.until.store(until, Ordering::Relaxed);
        time
    }

    /// When the present ejection ends, if it has not by now.
    pub(super) fn end(&self, now: Instant) -> Option<Instant> {
        Some(Instant::from_nanos(self.until.load(Ordering::Relaxed))).filter(|end| *end > now)
    }

    /// The time that is left of the present ejection.
    pub(crate) fn left(&self) -> Option<Duration> {
        let now = clock::now();
        self.end(now).map(|end| end.saturating_since(now))
    }

    /// Ejections so far.
    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn eject(ejection: &Ejection) -> u64 {
        ejection.eject(10 * SECOND, 25 * SECOND, 5 * SECOND, clock::now()).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn an_ejection_ends_by_itself_and_the_next_lasts_longer_up_to_the_longest() {
        let ejection = Ejection::default();
        for (time, left) in [(10, 10), (20, 20), (25, 25), (25, 25)] {
            assert_eq!(eject(&ejection), time);
            assert_eq!(ejection.left(), Some(left * SECOND));
            tokio::time::advance(left * SECOND - Duration::from_nanos(1)).await;
            assert!(ejection.is_on());
            tokio::time::advance(Duration::from_nanos(1)).await;
            assert!(!ejection.is_on() && ejection.left().is_none());
            assert!(ejection.is_on_probation());
        }
        assert_eq!(ejection.ejections(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn for_each_interval_without_one_the_next_is_shorter() {
        let ejection = Ejection::default();
        for time in [10, 20, 25] {
            assert_eq!(eject(&ejection), time);
            tokio::time::advance(Duration::from_secs(time)).await;
            assert!(!ejection.is_on());
        }
        // Since the end of the third nothing has passed: a fourth would last for 40 s, if it could.
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(eject(&ejection), 20, "two intervals take two of the three back");
        tokio::time::advance(20 * SECOND + 3600 * SECOND).await;
        assert_eq!(eject(&ejection), 10);
    }

    #[test]
    fn failures_are_counted_in_a_row_and_so_are_those_that_were_not_sent() {
        let ejection = Ejection::default();
        assert_eq!([true, true, false, true].map(|is| ejection.failed(is)), [(1, 1), (2, 2), (3, 0), (4, 1)]);
        ejection.succeeded(clock::now());
        assert_eq!(ejection.failed(true), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_ends_the_probation() {
        let ejection = Ejection::default();
        assert!(!ejection.is_on_probation());
        eject(&ejection);
        tokio::time::advance(10 * SECOND).await;
        assert!(!ejection.is_on() && ejection.is_on_probation());
        ejection.succeeded(clock::now());
        assert!(!ejection.is_on_probation());
    }
}
