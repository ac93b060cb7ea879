//! The decision: how much it takes to be trusted again after having gone Offline again and again.

use std::time::Duration;

use plugin_core::clock::{Instant, nanos};

/// The success limit is multiplied by no more than this.
pub(crate) const MOST: u32 = 16;

/// Counts how often something went Offline soon after it had come back.
///
/// Going Offline once costs nothing. Each further time doubles the successes that it takes to come back, up to [`MOST`] times
/// as many; each window that went by without one, while it was up, takes one of them back. Being Unhealthy is no part of it: a
/// failed check or two, fewer than the limit, are a blip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaps {
    /// `None`: nothing is counted.
    window: Option<Duration>,
    /// How often it went Offline, less what time has taken back.
    count: u32,
    /// Since when it has not been Offline.
    up_since: Option<Instant>,
}

impl Flaps {
    pub(crate) fn new(window: Option<Duration>) -> Self {
        Self { window, count: 0, up_since: None }
    }

    /// It went Offline.
    pub(crate) fn fell(&mut self, now: Instant) {
        let Some(window) = self.window else { return };
        let up = self.up_since.take().map_or(0, |since| nanos(now.saturating_since(since)));
        let quiet = up / nanos(window).max(1);
        self.count = self.count.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX)).saturating_add(1);
    }

    /// It came back, or was well for the first time.
    pub(crate) fn came_back(&mut self, now: Instant) {
        self.up_since = self.up_since.or(Some(now));
    }

    /// The successes in a row that bring it back from Offline.
    pub(crate) fn needed(&self, success_limit: u32) -> u32 {
        let times = 1_u32.checked_shl(self.count.saturating_sub(1)).filter(|times| *times > 0).unwrap_or(MOST);
        success_limit.saturating_mul(times.min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    /// What it takes after each fall, of pairs of seconds: up for so long, and then down for so long.
    fn needed(window: Option<Duration>, times: &[(u64, u64)]) -> Vec<u32> {
        let (mut flaps, mut now) = (Flaps::new(window), 0);
        let fall = |(up, down): &(u64, u64)| {
            flaps.came_back(at(now));
            now += up;
            flaps.fell(at(now));
            now += down;
            flaps.needed(1)
        };
        times.iter().map(fall).collect()
    }

    #[test]
    fn one_fall_costs_nothing_and_each_further_one_doubles_up_to_the_most() {
        assert_eq!(needed(Some(WINDOW), &[(5000, 90)]), [1]);
        assert_eq!(needed(Some(WINDOW), &[(30, 90); 8]), [1, 2, 4, 8, 16, 16, 16, 16]);
        assert_eq!(needed(None, &[(30, 90); 4]), [1, 1, 1, 1]);
    }

    #[test]
    fn each_quiet_window_takes_one_back_and_time_that_it_was_down_none() {
        assert_eq!(needed(Some(WINDOW), &[(30, 90), (30, 90), (30, 90), (300, 90)]), [1, 2, 4, 4]);
        assert_eq!(needed(Some(WINDOW), &[(30, 90), (30, 90), (30, 90), (600, 90)]), [1, 2, 4, 2]);
        assert_eq!(needed(Some(WINDOW), &[(30, 90), (30, 90), (5000, 90)]), [1, 2, 1]);
        assert_eq!(needed(Some(WINDOW), &[(30, 50_000), (30, 50_000)]), [1, 2]);
    }

    proptest! {
        /// Whatever happens: it takes at least the limit and at most so many times it; off, it takes the limit.
        #[test]
        fn it_stays_within_its_bounds(
            limit in 1u32..=u32::MAX, times in prop::collection::vec((0u64..1_000, 0u64..1_000), 0..100),
        ) {
            for window in [None, Some(WINDOW), Some(Duration::from_nanos(1)), Some(Duration::MAX)] {
                let (mut flaps, mut now) = (Flaps::new(window), 0);
                for (index, (up, down)) in times.iter().enumerate() {
                    flaps.came_back(at(now));
                    now += up;
                    flaps.fell(at(now));
                    now += down;
                    let needed = flaps.needed(limit);
                    prop_assert!(needed >= limit && needed <= limit.saturating_mul(MOST));
                    prop_assert!(window.is_some() && index > 0 || needed == limit);
                }
            }
        }

        /// After as many quiet windows as falls it is as if none had been.
        #[test]
        fn what_was_is_forgotten(falls in 1u64..40) {
            let (mut flaps, mut now) = (Flaps::new(Some(WINDOW)), 0);
            for _ in 0..falls {
                flaps.came_back(at(now));
                now += 1;
                flaps.fell(at(now));
            }
            flaps.came_back(at(now));
            flaps.fell(at(now + falls * WINDOW.as_secs()));
            prop_assert_eq!(flaps.needed(3), 3);
        }
    }
}
