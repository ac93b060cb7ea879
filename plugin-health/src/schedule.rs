//! The decision: when the next check is due.

use std::time::Duration;

use plugin_core::clock::{Instant, nanos};

/// Intervals that begin at one moment, with one check in each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    begin: Instant,
    interval: Duration,
    jitter: f64,
}

impl Schedule {
    /// The first check is due at `begin`.
    pub(crate) fn new(begin: Instant, interval: Duration, jitter: f64) -> Self {
        Self { begin, interval, jitter }
    }

    /// When the check of the next interval is due. Intervals that went by are skipped, not made up for. `random` is a
    /// number from 0.0 up to, not including, 1.0.
    pub(crate) fn next(&self, now: Instant, random: f64) -> Instant {
        let interval = nanos(self.interval).max(1);
        let gone = nanos(now.saturating_since(self.begin)) / interval;
        let next = interval.saturating_mul(gone.saturating_add(1));
        let late = self.interval.mul_f64((self.jitter * random).clamp(0.0, 1.0)).min(self.interval);
        self.begin.saturating_add(Duration::from_nanos(next)).saturating_add(late)
    }
}

/// Checks that are made sooner than the schedule has them, after calls were the reason for one that failed: first after a pace,
/// and then after twice as long each time, for as long as that is shorter than the interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Soon {
    pub(crate) at: Instant,
    step: Duration,
    interval: Duration,
}

impl Soon {
    pub(crate) fn first(now: Instant, pace: Duration, interval: Duration) -> Self {
        Self { at: now.saturating_add(pace), step: pace, interval }
    }

    /// The next one. A check that was made before its time changes nothing.
    pub(crate) fn after(self, now: Instant) -> Self {
        if now < self.at {
            return self;
        }
        let step = self.step.saturating_mul(2);
        Self { at: now.saturating_add(step), step, ..self }
    }

    /// Whether the schedule has none as soon.
    pub(crate) fn is_sooner(&self) -> bool {
        self.step < self.interval
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BEGIN: Instant = Instant::from_nanos(7_000_000_000);

    #[test]
    fn intervals_that_went_by_are_skipped() {
        let schedule = Schedule::new(BEGIN, SECOND, 0.0);
        assert_eq!(schedule.next(BEGIN, 0.0), BEGIN.saturating_add(SECOND));
        assert_eq!(schedule.next(BEGIN.saturating_add(SECOND * 7 / 2), 0.0), BEGIN.saturating_add(4 * SECOND));
    }

    #[test]
    fn the_edges_of_the_clock_do_not_panic() {
        for now in [Instant::ZERO, Instant::MAX] {
            assert!(Schedule::new(BEGIN, Duration::MAX, 1.0).next(now, 0.9) > BEGIN);
        }
    }

    #[test]
    fn what_is_made_sooner_comes_after_twice_as_long_each_time_up_to_the_interval() {
        let (mut now, mut soon) = (BEGIN, Soon::first(BEGIN, SECOND, 30 * SECOND));
        let mut waits = Vec::new();
        while soon.is_sooner() {
            waits.push(soon.at.saturating_since(now).as_secs());
            assert_eq!(soon.after(now).at, soon.at, "one that comes between changes nothing");
            now = soon.at;
            soon = soon.after(now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16]);
        assert!(!Soon::first(BEGIN, 30 * SECOND, 30 * SECOND).is_sooner());
        assert!(!Soon::first(Instant::MAX, Duration::MAX, Duration::MAX).is_sooner());
    }

    proptest! {
        #[test]
        fn each_interval_has_one_check(jitter in 0.0f64..=1.0, randoms in prop::collection::vec(0.0f64..1.0, 1..50)) {
            let schedule = Schedule::new(BEGIN, SECOND, jitter);
            let mut now = BEGIN;
            for (index, random) in randoms.into_iter().enumerate() {
                now = schedule.next(now, random);
                let slot = now.saturating_since(BEGIN).as_nanos() / SECOND.as_nanos();
                prop_assert_eq!(slot, index as u128 + 1);
            }
        }
    }
}
