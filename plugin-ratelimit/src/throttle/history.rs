//! What was asked and accepted lately, and the share of requests that is refused for it.

use std::{collections::VecDeque, time::Duration};

use plugin_core::clock::Instant;

/// Parts that a window is forgotten in.
const PARTS: u32 = 24;

/// How many requests have ended or were refused here, and how many of them the service accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) accepts: u64,
}

impl Counts {
    fn since(self, before: Self) -> Self {
        // Counters wrap.
        Self {
            requests: self.requests.wrapping_sub(before.requests),
            accepts: self.accepts.wrapping_sub(before.accepts),
        }
    }

    /// The share of requests that is refused here: `max(0, (requests - K * accepts) / (requests + 1))`.
    pub(super) fn refused_share(self, multiplier: f64) -> f64 {
        let (requests, accepts) = (self.requests as f64, self.accepts as f64);
        ((requests - multiplier * accepts) / (requests + 1.0)).max(0.0)
    }
}

/// Totals as they were at the beginning of each part of the window.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Oldest first.
    parts: VecDeque<(Instant, Counts)>,
}

impl History {
    /// Takes note of the totals, and gives back what they have grown by within the window.
    pub(super) fn look(&mut self, totals: Counts, window: Duration, now: Instant) -> Counts {
        let part = window / PARTS;
        if self.parts.back().is_none_or(|(began, _)| now.saturating_since(*began) >= part) {
            self.parts.push_back((now, totals));
        }
        // What came after the beginning of a part came within its time: whoever asks later begins the next.
        while self.parts.front().is_some_and(|(began, _)| now.saturating_since(*began) >= window + part) {
            self.parts.pop_front();
        }
        let before = self.parts.front().map_or(totals, |(_, before)| *before);
        totals.since(before)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(24);

    fn at(second: u64) -> Instant {
        Instant::from_nanos(1 + second * 1_000_000_000)
    }

    fn counts(requests: u64, accepts: u64) -> Counts {
        Counts { requests, accepts }
    }

    #[test]
    fn the_share_is_that_of_the_book() {
        for (requests, accepts, share) in [(0, 0, 0.0), (100, 100, 0.0), (100, 50, 0.0), (99, 24, 0.51), (99, 0, 0.99)]
        {
            assert_eq!(counts(requests, accepts).refused_share(2.0), share, "{requests}, {accepts}");
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_part_by_part() {
        let mut history = History::default();
        for second in 0..=60 {
            let grown = history.look(counts(second * 10, second * 5), WINDOW, at(second));
            let seen = second.min(24);
            assert_eq!(grown, counts(seen * 10, seen * 5), "second {second}");
        }
        assert!(history.parts.len() <= 26);
    }

    #[test]
    fn a_silence_longer_than_the_window_leaves_nothing() {
        let mut history = History::default();
        history.look(counts(0, 0), WINDOW, at(0));
        assert_eq!(history.look(counts(100, 0), WINDOW, at(1)), counts(100, 0));
        assert_eq!(history.look(counts(100, 0), WINDOW, at(1000)), counts(0, 0));
        assert_eq!(history.look(counts(101, 1), WINDOW, at(1001)), counts(1, 1));
    }

    #[test]
    fn totals_may_wrap() {
        let mut history = History::default();
        history.look(counts(u64::MAX - 1, u64::MAX), WINDOW, at(0));
        assert_eq!(history.look(counts(3, 1), WINDOW, at(1)), counts(5, 2));
    }
}
