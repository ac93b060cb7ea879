//! The window in which samples are gathered, by any number of threads.

use std::time::Duration;

use plugin_core::clock::Instant;

use super::{PermitOutcome, sample::AdaptiveSample};
use crate::sync::{AtomicU64, Ordering};

/// The shortest window, and the longest that is waited for more than a few calls.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
/// Calls that a window should have, and must have.
const ENOUGH: u64 = 50;
const LEAST: u64 = 10;

/// Sums of calls. A call that is recorded while a window is closed may be counted in part in each of two windows.
pub(crate) struct Window {
    opened: AtomicU64,
    /// Nanoseconds.
    latency: AtomicU64,
    answered: AtomicU64,
    overloaded: AtomicU64,
    in_flight: AtomicU64,
    /// When a call was counted last.
    last: AtomicU64,
}

impl Window {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            opened: AtomicU64::new(now.as_nanos()),
            latency: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            overloaded: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            last: AtomicU64::new(now.as_nanos()),
        }
    }

    /// A call begins that is alone in flight. What came before it was a silence, which is no part of a window: a window that has an hour
    /// of it in it would say that the service did next to nothing.
    #[inline]
    pub(crate) fn began_alone(&self, now: Instant) {
        let last = Instant::from_nanos(self.last.load(Ordering::Relaxed));
        if now.saturating_since(last) >= LONGEST {
            self.leave_out(last, now);
        }
    }

    #[cold]
    fn leave_out(&self, silent_since: Instant, until: Instant) {
        // Who has it done alone does it: the next finds that it was counted now.
        let (since, until) = (silent_since.as_nanos(), until.as_nanos());
        if self.last.compare_exchange(since, until, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.opened.fetch_add(until - since, Ordering::Relaxed);
        }
    }

    /// Begins anew, with nothing counted: nobody was looking until now.
    pub(crate) fn reopen(&self, now: Instant) {
        for sum in [&self.latency, &self.answered, &self.overloaded, &self.in_flight] {
            sum.store(0, Ordering::Relaxed);
        }
        self.opened.store(now.as_nanos(), Ordering::Relaxed);
        self.last.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Counts a call, and says whether the window may be closed.
    pub(crate) fn record(&self, outcome: PermitOutcome, took: Duration, in_flight: u32, now: Instant) -> bool {
        // Relaxed, here and below: they are sums, and nothing else is read by them.
        let in_flight = u64::from(in_flight);
        if self.in_flight.load(Ordering::Relaxed) < in_flight {
            self.in_flight.fetch_max(in_flight, Ordering::Relaxed);
        }
        self.last.store(now.as_nanos(), Ordering::Relaxed);
        match outcome {
            PermitOutcome::Answered => {
                self.latency.fetch_add(plugin_core::clock::nanos(took), Ordering::Relaxed);
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            PermitOutcome::Overloaded => {
                self.overloaded.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.is_over(now)
    }

    /// Whether enough was seen: the window lasted for twice as long as a call, so that the calls of the limit before are few
    /// among those of this one.
    fn is_over(&self, now: Instant) -> bool {
        let opened = Instant::from_nanos(self.opened.load(Ordering::Relaxed));
        let lasted = now.saturating_since(opened);
        if lasted < SHORTEST {
            return false;
        }
        let answered = self.answered.load(Ordering::Relaxed);
        let ended = answered + self.overloaded.load(Ordering::Relaxed);
        let twice = self.latency.load(Ordering::Relaxed).saturating_mul(2) / answered.max(1);
        let is_long = lasted >= Duration::from_nanos(twice) && ended >= ENOUGH;
        is_long || lasted >= LONGEST && ended >= LEAST
    }

    /// Closes the window, if it is over, and opens the next. By one thread at a time.
    pub(crate) fn close(&self, now: Instant) -> Option<AdaptiveSample> {
        if !self.is_over(now) {
            return None;
        }
        let answered = self.answered.swap(0, Ordering::Relaxed);
        let latency = self.latency.swap(0, Ordering::Relaxed);
        let in_flight = self.in_flight.swap(0, Ordering::Relaxed);
        let opened = self.opened.swap(now.as_nanos(), Ordering::Relaxed);
        let sample = AdaptiveSample::new(
            Duration::from_nanos(latency / answered.max(1)),
            u32::try_from(in_flight).unwrap_or(u32::MAX),
            answered,
            now.saturating_since(Instant::from_nanos(opened)),
        );
        Some(sample.with_overloaded(self.overloaded.swap(0, Ordering::Relaxed)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u32) -> Instant {
        Instant::from_nanos(1).saturating_add(ms * MS)
    }

    fn window(calls: u32, took: Duration) -> Window {
        let window = Window::new(at(0));
        (0..calls).for_each(|n| {
            window.record(PermitOutcome::Answered, took, n, at(0));
        });
        window
    }

    #[test]
    fn a_window_is_over_when_it_has_enough_calls_and_lasted_for_two_of_them() {
        assert!(!window(50, 10 * MS).is_over(at(99)));
        assert!(window(50, 10 * MS).is_over(at(100)));
        assert!(!window(50, 80 * MS).is_over(at(159)));
        assert!(window(50, 80 * MS).is_over(at(160)));
    }

    #[test]
    fn with_few_calls_it_is_over_after_a_second_and_with_hardly_any_not_at_all() {
        assert!(!window(49, 10 * MS).is_over(at(999)));
        assert!(window(10, 10 * MS).is_over(at(1000)));
        assert!(window(10, 5000 * MS).is_over(at(1000)), "however long calls take");
        assert!(!window(9, 10 * MS).is_over(at(100_000)));
    }

    #[test]
    fn a_silence_is_no_part_of_a_window() {
        let window = window(5, 10 * MS);
        window.began_alone(at(999));
        assert_eq!(window.opened.load(Ordering::Relaxed), at(0).as_nanos(), "too short to be one");
        let hour = 3_600_000;
        window.began_alone(at(hour));
        window.began_alone(at(hour + 1));
        for _ in 0..45 {
            window.record(PermitOutcome::Answered, 10 * MS, 4, at(hour + 100));
        }
        let sample = window.close(at(hour + 100)).expect("enough");
        assert_eq!((sample.answered, sample.window), (50, 100 * MS));
        window.record(PermitOutcome::Answered, 10 * MS, 4, at(hour + 100));
        window.reopen(at(2 * hour));
        for _ in 0..50 {
            window.record(PermitOutcome::Answered, 10 * MS, 4, at(2 * hour + 100));
        }
        let sample = window.close(at(2 * hour + 100)).expect("enough");
        assert_eq!((sample.answered, sample.window), (50, 100 * MS), "begun anew");
    }

    #[test]
    fn what_was_gathered_comes_out_once() {
        let window = window(40, 10 * MS);
        for _ in 0..10 {
            window.record(PermitOutcome::Overloaded, 1000 * MS, 7, at(50));
        }
        assert_eq!(window.close(at(99)), None);
        let sample = AdaptiveSample::new(10 * MS, 39, 40, 200 * MS).with_overloaded(10);
        assert_eq!(window.close(at(200)), Some(sample));
        assert_eq!(window.close(at(5000)), None);
    }
}
