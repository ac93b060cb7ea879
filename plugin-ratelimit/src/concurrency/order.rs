//! In which order those who wait are served, and how long they may.

use std::time::Duration;

use plugin_core::clock::Instant;

use super::line::End;

/// The order in which calls that wait are served. Higher priorities always come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueOrder {
    /// Who came first is served first. Nobody overtakes.
    #[default]
    Fifo,
    /// Who came last is served first. In an overload those who have waited longest are also those whose callers have most
    /// likely gone; a full line turns the oldest away for a newcomer.
    Lifo,
    /// First come, first served, until the line has not been empty for a whole `interval`: then who came last is served
    /// first, and whoever comes may wait for `target` and no longer. Before that it may wait for `interval`.
    ///
    /// This is the adaptive LIFO with controlled delay of Maurer, "Fail at Scale" (ACM Queue 13, 8, 2015), after Nichols and
    /// Jacobson, "Controlling Queue Delay" (2012): short bursts are absorbed in order, and a lasting overload leaves no line
    /// of calls that are all answered too late.
    Codel,
}

/// The times of [`QueueOrder::Codel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codel {
    pub(crate) target: Duration,
    pub(crate) interval: Duration,
}

impl QueueOrder {
    /// From which end the line is served now. `busy_since`: since when it has not been empty.
    pub(crate) fn end(self, codel: Codel, busy_since: Option<Instant>, now: Instant) -> End {
        match self {
            Self::Fifo => End::Oldest,
            Self::Lifo => End::Newest,
            Self::Codel if is_overloaded(codel, busy_since, now) => End::Newest,
            Self::Codel => End::Oldest,
        }
    }

    /// How long one may wait who comes now.
    pub(crate) fn longest(self, codel: Codel, busy_since: Option<Instant>, now: Instant) -> Duration {
        match self {
            Self::Fifo | Self::Lifo => Duration::MAX,
            Self::Codel if is_overloaded(codel, busy_since, now) => codel.target,
            Self::Codel => codel.interval,
        }
    }

    pub(crate) const WORDS: &'static [&'static str] = &["fifo", "lifo", "codel"];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lifo => "lifo",
            Self::Codel => "codel",
        }
    }

    pub(crate) fn of_word(word: &str) -> Self {
        match word {
            "lifo" => Self::Lifo,
            "codel" => Self::Codel,
            _ => Self::Fifo,
        }
    }
}

fn is_overloaded(codel: Codel, busy_since: Option<Instant>, now: Instant) -> bool {
    busy_since.is_some_and(|since| now.saturating_since(since) > codel.interval)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const CODEL: Codel = Codel { target: Duration::from_millis(5), interval: Duration::from_millis(100) };

    fn codel(busy: Option<u64>) -> (End, Duration) {
        let since = busy.map(|ms| Instant::from_nanos(ms * 1_000_000));
        let now = Instant::from_nanos(1_000_000_000);
        (QueueOrder::Codel.end(CODEL, since, now), QueueOrder::Codel.longest(CODEL, since, now))
    }

    #[test]
    fn a_line_that_was_empty_within_the_interval_is_served_in_order() {
        assert_eq!(codel(None), (End::Oldest, CODEL.interval));
        assert_eq!(codel(Some(900)), (End::Oldest, CODEL.interval), "exactly the interval");
    }

    #[test]
    fn a_line_that_was_not_is_served_from_its_end_and_nobody_new_waits_for_longer_than_the_target() {
        assert_eq!(codel(Some(899)), (End::Newest, CODEL.target));
    }

    #[test]
    fn each_order_has_its_word() {
        for order in [QueueOrder::Fifo, QueueOrder::Lifo, QueueOrder::Codel] {
            assert_eq!(QueueOrder::of_word(order.word()), order);
            assert!(QueueOrder::WORDS.contains(&order.word()));
        }
    }
}
