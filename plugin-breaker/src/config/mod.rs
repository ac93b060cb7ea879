//! The settings of a breaker.

mod builder;
mod ratio;
mod settings;

use std::{sync::Arc, time::Duration};

pub use builder::CircuitBreakerConfigBuilder;
use plugin_core::{Backoff, classify::Condition};
pub use ratio::Ratio;

/// The shortest `half_open_timeout`: a shorter one would let calls through one after the other, whatever becomes of them.
const SHORTEST_HALF_OPEN: Duration = Duration::from_millis(1);

/// The shortest default of `half_open_timeout`. A service that is slow for its breaker's open time must be able to close it.
const DEFAULT_HALF_OPEN: Duration = Duration::from_secs(30);

/// Which calls a rate is computed over: the last N calls, or those of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Window {
    /// The last calls, this many.
    Calls(u32),
    /// The calls of this last time, in ten buckets.
    Time(Duration),
}

/// When a call is slow, and how large a share of slow calls opens the circuit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SlowCalls {
    /// A call that takes this long, or longer, is slow.
    pub over: Duration,
    /// The share of the window that opens the circuit.
    pub ratio: Ratio,
}

/// How a call is counted whose future was dropped before it had an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cancelled {
    /// As nothing: the caller went away, which says nothing of the service.
    #[default]
    Ignore,
    /// As a failure: for callers that drop a call because it takes too long.
    Failure,
    /// As a slow call that did not fail.
    Slow,
}

impl Cancelled {
    /// Its name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Failure => "failure",
            Self::Slow => "slow",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Ignore, Self::Failure, Self::Slow].into_iter().find(|it| it.as_str() == name)
    }
}

/// The validated settings of a breaker. Made by [`CircuitBreakerConfig::builder`], or read from a configuration.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_breaker::{CircuitBreakerConfig, Window};
///
/// let config = CircuitBreakerConfig::builder()
///     .with_failure_rate(0.5)
///     .with_window(Window::Time(Duration::from_secs(10)))
///     .with_recovery_timeout(Duration::from_secs(5))
///     .build()?;
/// assert_eq!(config.failure_threshold(), Some(5)); // the default: the first rule that holds opens the circuit
///
/// let fault = CircuitBreakerConfig::builder().with_failure_rate(50.0).build().expect_err("a share is at most 1");
/// assert_eq!(fault.to_string(), "`failure_rate.ratio` must be above 0 and at most 1, and is 50.0");
/// # Ok::<(), plugin_breaker::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitBreakerConfig {
    enabled: bool,
    failure_threshold: u32,
    min_request_threshold: u64,
    success_threshold: u32,
    half_open_max: Option<u32>,
    half_open_timeout: Option<Duration>,
    failure_rate: Option<Ratio>,
    window: Window,
    min_calls: Option<u32>,
    slow: Option<SlowCalls>,
    open_time: Backoff,
    max_push_back: Duration,
    cancelled: Cancelled,
    on: Arc<[Condition]>,
}

impl CircuitBreakerConfig {
    /// Whether calls are judged at all.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Failures in a row that open the circuit; `None` when this rule is off.
    #[must_use]
    pub fn failure_threshold(&self) -> Option<u32> {
        Some(self.failure_threshold).filter(|threshold| *threshold > 0)
    }

    /// Calls since the circuit closed, before failures in a row open it.
    #[must_use]
    pub fn min_request_threshold(&self) -> u64 {
        self.min_request_threshold
    }

    /// Successful probes that close the circuit.
    #[must_use]
    pub fn success_threshold(&self) -> u32 {
        self.success_threshold
    }

    /// Probes at once, while half-open.
    #[must_use]
    pub fn half_open_max(&self) -> u32 {
        self.half_open_max.unwrap_or(self.success_threshold)
    }

    /// The age at which a probe that has no outcome gives up its place to the next caller. Its outcome, when it comes,
    /// still counts.
    #[must_use]
    pub fn half_open_timeout(&self) -> Duration {
        self.half_open_timeout.unwrap_or_else(|| self.open_time.initial().max(DEFAULT_HALF_OPEN))
    }

    /// Uses this age where [`half_open_timeout`](Self::half_open_timeout) is not set: for who knows how long a call may
    /// take. It is at least [`recovery_timeout`](Self::recovery_timeout), whatever is given.
    #[must_use]
    pub fn or_half_open_timeout(mut self, age: Duration) -> Self {
        self.half_open_timeout.get_or_insert(age.max(self.open_time.initial()).max(SHORTEST_HALF_OPEN));
        self
    }

    /// The share of failures in the window that opens the circuit.
    #[must_use]
    pub fn failure_rate(&self) -> Option<Ratio> {
        self.failure_rate
    }

    /// The calls that `failure_rate` and `slow` are computed over.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// Calls that the window must hold before a rate says anything.
    ///
    /// The default never delays the reaction to a total outage: it is not more than the failures that open a window of
    /// calls that is full.
    #[must_use]
    pub fn min_calls(&self) -> u32 {
        self.min_calls.unwrap_or_else(|| match (self.window, self.failure_rate) {
            (Window::Calls(calls), Some(ratio)) => ratio.of(calls).clamp(1, 10),
            (Window::Calls(calls), None) => calls.min(10),
            (Window::Time(_), _) => 10,
        })
    }

    /// The rule for slow calls.
    #[must_use]
    pub fn slow(&self) -> Option<SlowCalls> {
        self.slow
    }

    /// The open time when the circuit opens for the first time, before jitter.
    #[must_use]
    pub fn recovery_timeout(&self) -> Duration {
        self.open_time.initial()
    }

    /// How the open time grows when the circuit opens again and again.
    #[must_use]
    pub fn open_time(&self) -> Backoff {
        self.open_time
    }

    /// The longest open time that a server may ask for.
    #[must_use]
    pub fn max_push_back(&self) -> Duration {
        self.max_push_back
    }

    /// How a dropped call is counted.
    #[must_use]
    pub fn cancelled(&self) -> Cancelled {
        self.cancelled
    }

    /// What counts as a failure, and nothing else then does. Empty means the classifier's own rule.
    #[must_use]
    pub fn failures_on(&self) -> &[Condition] {
        &self.on
    }

    /// Whether a window is kept: only when a rule reads it.
    pub(crate) fn keeps_window(&self) -> bool {
        self.failure_rate.is_some() || self.slow.is_some()
    }
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_threshold: 5,
            min_request_threshold: 3,
            success_threshold: 2,
            half_open_max: None,
            half_open_timeout: None,
            failure_rate: None,
            window: Window::Calls(100),
            min_calls: None,
            slow: None,
            open_time: Backoff::constant(Duration::from_secs(30)),
            max_push_back: Duration::from_secs(300),
            cancelled: Cancelled::Ignore,
            on: Arc::from([]),
        }
    }
}

#[cfg(test)]
mod tests;
