//! One window of either kind, or none.

use plugin_core::clock::Instant;

use super::{calls::CallWindow, sums::Sums, time::TimeWindow};
use crate::{CircuitBreakerConfig, Window, success_counters::SuccessCounters};

/// The window that the rules need, if any.
pub(crate) enum AnyWindow {
    Nothing,
    Calls(CallWindow),
    Time(Box<TimeWindow>),
}

impl AnyWindow {
    pub(crate) fn for_config(config: &CircuitBreakerConfig) -> Self {
        match config.window() {
            _ if !config.keeps_window() => Self::Nothing,
            Window::Calls(calls) => Self::Calls(CallWindow::new(calls as usize)),
            Window::Time(time) => Self::Time(Box::new(TimeWindow::new(time))),
        }
    }

    /// Adds a call that was not a fast success.
    pub(crate) fn record(
        &mut self,
        failed: bool,
        slow: bool,
        now: Instant,
        generation: u64,
        successes: &SuccessCounters,
    ) {
        match self {
            Self::Nothing => {}
            Self::Calls(window) => {
                window.catch_up(successes.of_generation(generation));
                window.record(failed, slow);
            }
            Self::Time(window) => {
                window.record(now, Sums { calls: 1, failures: u64::from(failed), slow: u64::from(slow) });
            }
        }
    }

    /// What the window holds, brought up to date; `None` when none is kept.
    pub(crate) fn sums(&mut self, now: Instant, generation: u64, successes: &SuccessCounters) -> Option<Sums> {
        match self {
            Self::Nothing => None,
            Self::Calls(window) => {
                window.catch_up(successes.of_generation(generation));
                Some(window.sums())
            }
            Self::Time(window) => Some(window.sums(now, &successes.of_buckets(generation, window.number(now)))),
        }
    }

    /// Nanoseconds of a bucket, or 0 without a time window.
    pub(crate) fn bucket_width(&self) -> u64 {
        if let Self::Time(window) = self { window.width() } else { 0 }
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Calls(window) => window.heap(),
            Self::Time(_) => size_of::<TimeWindow>(),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Nothing => {}
            Self::Calls(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }

    /// What the window holds, so that one of another shape can take it over.
    pub(crate) fn parts(&mut self, now: Instant, generation: u64, successes: &SuccessCounters) -> Parts {
        match self {
            Self::Nothing => Parts::Nothing,
            Self::Calls(window) => {
                window.catch_up(successes.of_generation(generation));
                Parts::Calls(window.clone(), now)
            }
            Self::Time(window) => Parts::Time(window.parts(now, &successes.of_buckets(generation, window.number(now)))),
        }
    }

    /// Takes over what another window held.
    pub(crate) fn refill(&mut self, parts: Parts) {
        match (self, parts) {
            (Self::Nothing, _) | (_, Parts::Nothing) => {}
            (Self::Calls(window), Parts::Calls(old, _)) => *window = old.resized(window.size()),
            // Calls have no time, so they count as of now.
            (Self::Time(window), Parts::Calls(old, now)) => window.record(now, old.sums()),
            (Self::Time(window), Parts::Time(parts)) => {
                parts.into_iter().for_each(|(at, sums)| window.record(at, sums));
            }
            (Self::Calls(window), Parts::Time(parts)) => parts.iter().for_each(|(_, sums)| window.append(*sums)),
        }
    }
}

/// See [`AnyWindow::parts`].
pub(crate) enum Parts {
    Nothing,
    Calls(CallWindow, Instant),
    Time(Vec<(Instant, Sums)>),
}
