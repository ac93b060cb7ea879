//! What is counted against one instance, and until when it is ejected.

use std::time::Duration;

use plugin_core::clock::{self, Instant};

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The bit of the state that says that its time is over, and that it has answered nothing since.
const PROBATION: u64 = 1;

/// The time between the first two calls that may try one that is back, where it was ejected for no less; then twice as long each time.
const FIRST_GAP: Duration = Duration::from_secs(1);

/// The longest time between two of them.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// The state of one instance. While all is well a call reads one word of it, and a pick another.
///
/// ## Well => Ejected
///
/// When it is an outlier ([`eject`](Self::eject)): it gets no calls until its time is over.
///
/// ## Ejected => Probation
///
/// With the first call after that ([`begin`](Self::begin)). It has answered nothing since, so it is tried by single calls: the next one
/// may come a second later, the third after two more, and so on, so that one which still hangs does not take its share again for as
/// long as nobody knows.
///
/// ## Probation => Well | Ejected
///
/// With the first of these that goes well, or fails.
#[derive(Debug, Default)]
pub(crate) struct Ejection {
    /// From when on a call may go to it, in nanoseconds, and [`PROBATION`]; 0 while it is well. In one word, so that no thread undoes
    /// what another one has just decided.
    state: AtomicU64,
    /// The time from the next call that tries it to the one after it, in nanoseconds.
    gap: AtomicU64,
    /// Failures since the last success; and of those at the end, one after the other, how many were not sent.
    failures: AtomicU32,
    unreached: AtomicU32,
    /// By how much the last ejection was longer than the first: what is left of it when the next one begins.
    times: AtomicU32,
    /// The end of the last ejection.
    back: AtomicU64,
    /// Ejections so far.
    ejections: AtomicU64,
}

impl Ejection {
    /// Whether no call may go to it now.
    #[inline]
    pub(crate) fn is_out(&self) -> bool {
        // Relaxed here and below: each is a word by itself, and a pick that reads that of a moment ago is one of a moment ago.
        match self.state.load(Ordering::Relaxed) {
            0 => false,
            state => is_out_until(state),
        }
    }

    /// Whether it is ejected, and its time not over.
    pub(super) fn is_ejected(&self) -> bool {
        !self.is_on_probation() && self.is_out()
    }

    /// A call goes to it. Where its time is over, this is the one that tries it, and the next has to wait.
    #[inline]
    pub(crate) fn begin(&self) {
        if self.state.load(Ordering::Relaxed) != 0 {
            self.try_out();
        }
    }

    #[cold]
    fn try_out(&self) {
        let now = clock::now();
        let state = self.state.load(Ordering::Relaxed);
        if state == 0 || now.as_nanos() < state & !PROBATION {
            // It is well by now, or gets a call since there is nobody better.
            return;
        }
        let gap = Duration::from_nanos(self.gap.load(Ordering::Relaxed));
        let next = now.saturating_add(gap).as_nanos() | PROBATION;
        // Of several threads that come at the same moment one counts.
        if self.state.compare_exchange(state, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.gap.store(nanos(gap.saturating_mul(2).min(LONGEST_GAP)), Ordering::Relaxed);
        }
    }

    /// A call went well that began then; [`Instant::ZERO`] where nobody knows when.
    ///
    /// Says whether it is back with that.
    #[inline]
    pub(crate) fn succeeded(&self, began: Instant) -> bool {
        (self.failures.load(Ordering::Relaxed) != 0 || self.is_on_probation()) && self.succeeded_after_failures(began)
    }

    #[cold]
    fn succeeded_after_failures(&self, began: Instant) -> bool {
        if self.is_before(began) {
            return false;
        }
        self.forget();
        let well = |state| (state & PROBATION != 0).then_some(0);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, well).is_ok()
    }

    /// Whether a call that began then is of before the end of the last ejection: it says nothing of how the instance is since.
    pub(super) fn is_before(&self, began: Instant) -> bool {
        began != Instant::ZERO && began.as_nanos() < self.back.load(Ordering::Relaxed)
    }

    /// Nothing is known of it any more.
    pub(super) fn clear(&self) {
        self.state.swap(0, Ordering::AcqRel);
        self.back.store(0, Ordering::Relaxed);
        self.times.store(0, Ordering::Relaxed);
        self.forget();
    }

    #[cold]
    fn forget(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.unreached.store(0, Ordering::Relaxed);
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
        self.state.load(Ordering::Relaxed) & PROBATION != 0
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
        // Not 0, which says that it is well.
        let until = (now.saturating_add(time).as_nanos() & !PROBATION).max(PROBATION + 1);
        self.times.store(times, Ordering::Relaxed);
        self.back.store(until, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.gap.store(nanos(first.min(FIRST_GAP)), Ordering::Relaxed);
        self.forget();
        // A swap and not a store, so that it comes after whatever another thread has just made of the word.
        self.state.swap(until, Ordering::AcqRel);
        time
    }

    /// When a call may go to it again, if none may now.
    pub(super) fn end(&self, now: Instant) -> Option<Instant> {
        Some(Instant::from_nanos(self.state.load(Ordering::Relaxed) & !PROBATION)).filter(|end| *end > now)
    }

    /// The time for which no call goes to it.
    pub(crate) fn left(&self) -> Option<Duration> {
        let now = clock::now();
        self.end(now).map(|end| end.saturating_since(now))
    }

    /// Ejections so far.
    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }
}

#[cold]
fn is_out_until(state: u64) -> bool {
    clock::now().as_nanos() < state & !PROBATION
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
            tokio::time::advance(left * SECOND - Duration::from_nanos(2)).await;
            assert!(ejection.is_out() && ejection.is_ejected());
            tokio::time::advance(Duration::from_nanos(2)).await;
            assert!(!ejection.is_out() && ejection.left().is_none());
            ejection.begin();
            assert!(ejection.is_on_probation() && !ejection.is_ejected());
        }
        assert_eq!(ejection.ejections(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_back_is_tried_by_single_calls_further_and_further_apart_until_one_goes_well() {
        let ejection = Ejection::default();
        eject(&ejection);
        tokio::time::advance(10 * SECOND).await;
        for gap in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(!ejection.is_out(), "{gap}");
            ejection.begin();
            assert_eq!(ejection.left().map(|left| left.as_secs_f64().round()), Some(f64::from(gap)));
            ejection.begin(); // nobody better was there: that changes nothing
            tokio::time::advance(gap * SECOND - Duration::from_nanos(2)).await;
            assert!(ejection.is_out() && ejection.is_on_probation(), "{gap}");
            tokio::time::advance(Duration::from_nanos(2)).await;
        }
        ejection.begin();
        assert!(ejection.is_out());
        assert!(ejection.succeeded(clock::now()), "it is back");
        assert!(!ejection.is_out() && !ejection.is_on_probation() && !ejection.succeeded(clock::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn where_one_is_ejected_for_less_than_a_second_it_is_tried_as_often() {
        let ejection = Ejection::default();
        let short = Duration::from_millis(10);
        ejection.eject(short, short, short, clock::now());
        tokio::time::advance(short).await;
        ejection.begin();
        tokio::time::advance(short).await;
        assert!(!ejection.is_out());
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_of_before_or_while_it_is_ejected_ends_nothing() {
        let ejection = Ejection::default();
        let before = clock::now();
        eject(&ejection);
        assert!(!ejection.succeeded(before) && !ejection.succeeded(Instant::ZERO) && ejection.is_ejected());
        tokio::time::advance(10 * SECOND).await;
        ejection.begin();
        assert!(!ejection.succeeded(before) && ejection.is_on_probation());
    }

    #[tokio::test(start_paused = true)]
    async fn for_each_interval_without_one_the_next_is_shorter() {
        let ejection = Ejection::default();
        for time in [10, 20, 25] {
            assert_eq!(eject(&ejection), time);
            tokio::time::advance(Duration::from_secs(time)).await;
            assert!(!ejection.is_out());
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
}
