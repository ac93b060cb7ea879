//! The builder of the settings.

use std::{sync::Arc, time::Duration};

use plugin_core::{Backoff, ConfigError, Jitter, classify::Condition, settings::Settings};

use super::{Cancelled, CircuitBreakerConfig, Ratio, SlowCalls, Window};

impl CircuitBreakerConfig {
    /// Settings to change, starting from the defaults.
    pub fn builder() -> CircuitBreakerConfigBuilder {
        CircuitBreakerConfigBuilder::default()
    }

    /// These settings, to change.
    pub fn to_builder(&self) -> CircuitBreakerConfigBuilder {
        CircuitBreakerConfigBuilder::from(self.clone())
    }
}

/// Settings that have not been checked yet. The [page of the crate](crate#defaults) has the defaults and bounds.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CircuitBreakerConfigBuilder {
    pub(super) enabled: bool,
    pub(super) failure_threshold: u32,
    pub(super) min_request_threshold: u64,
    pub(super) success_threshold: u32,
    pub(super) half_open_max: Option<u32>,
    pub(super) half_open_timeout: Option<Duration>,
    pub(super) failure_rate: Option<f64>,
    pub(super) window: Window,
    pub(super) min_calls: Option<u32>,
    pub(super) slow: Option<(Duration, f64)>,
    pub(super) recovery_timeout: Duration,
    pub(super) backoff: Option<(f64, Duration)>,
    pub(super) jitter: Option<f64>,
    pub(super) max_push_back: Duration,
    pub(super) cancelled: Cancelled,
    pub(super) on: Arc<[Condition]>,
}

impl CircuitBreakerConfigBuilder {
    /// Whether calls are judged at all.
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Failures in a row that open the circuit; 0 switches this rule off.
    pub fn with_failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// Calls since the circuit closed, before failures in a row open it.
    pub fn with_min_request_threshold(mut self, calls: u64) -> Self {
        self.min_request_threshold = calls;
        self
    }

    /// Successful probes that close the circuit.
    pub fn with_success_threshold(mut self, successes: u32) -> Self {
        self.success_threshold = successes;
        self
    }

    /// The time that the circuit stays open.
    pub fn with_recovery_timeout(mut self, time: Duration) -> Self {
        self.recovery_timeout = time;
        self
    }

    /// Probes at once, while half-open.
    pub fn with_half_open_max(mut self, probes: u32) -> Self {
        self.half_open_max = Some(probes);
        self
    }

    /// The age at which a probe that has no outcome gives up its place to the next caller, at least a millisecond: in any
    /// such time no more than [`half_open_max`](Self::with_half_open_max) calls pass that do not end.
    pub fn with_half_open_timeout(mut self, age: Duration) -> Self {
        self.half_open_timeout = Some(age);
        self
    }

    /// Opens when this share of the window failed.
    pub fn with_failure_rate(mut self, share: f64) -> Self {
        self.failure_rate = Some(share);
        self
    }

    /// Sets the calls that rates are computed over.
    pub fn with_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Calls that the window must hold before a rate says anything.
    pub fn with_min_calls(mut self, calls: u32) -> Self {
        self.min_calls = Some(calls);
        self
    }

    /// Opens when this share of the window took `over` or longer. Costs a reading of the clock before and after the call.
    pub fn with_slow_calls(mut self, over: Duration, share: f64) -> Self {
        self.slow = Some((over, share));
        self
    }

    /// Lets the open time grow by this factor each time the circuit opens again, up to `max`, with a jitter of 10 %.
    pub fn with_backoff(mut self, multiplier: f64, max: Duration) -> Self {
        self.backoff = Some((multiplier, max));
        self
    }

    /// Moves each open time by at most this share up or down.
    pub fn with_jitter(mut self, share: f64) -> Self {
        self.jitter = Some(share);
        self
    }

    /// The longest open time that a server may ask for; zero ignores what servers say.
    pub fn with_max_push_back(mut self, max: Duration) -> Self {
        self.max_push_back = max;
        self
    }

    /// Sets how a dropped call is counted.
    pub fn with_cancelled(mut self, cancelled: Cancelled) -> Self {
        self.cancelled = cancelled;
        self
    }

    /// What counts as a failure: nothing else then does, whatever the layer's classifier says
    /// ([`Judgement::failing_on`](plugin_core::Judgement::failing_on)). Empty leaves it to the classifier.
    pub fn with_failures_on(mut self, on: impl IntoIterator<Item = Condition>) -> Self {
        self.on = on.into_iter().collect();
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults). The error names the setting
    /// by the key that configuration files use.
    pub fn build(self) -> Result<CircuitBreakerConfig, ConfigError> {
        let table = CircuitBreakerConfig::TABLE;
        table.fits("failure_threshold", self.failure_threshold)?;
        table.fits("min_request_threshold", self.min_request_threshold)?;
        table.fits("success_threshold", self.success_threshold)?;
        table.fits("half_open_max", self.half_open_max)?;
        table.fits("recovery_timeout", self.recovery_timeout)?;
        table.fits("half_open_timeout", self.half_open_timeout)?;
        table.fits("max_push_back", self.max_push_back)?;
        table.fits("failure_rate.ratio", self.failure_rate)?;
        table.fits("slow.over", self.slow.map(|(over, _)| over))?;
        table.fits("slow.ratio", self.slow.map(|(_, share)| share))?;
        // The rules share them, and they stand with the one that is there.
        let [window, min_calls] = match (self.failure_rate, self.slow) {
            (None, Some(_)) => ["slow.window", "slow.min_calls"],
            _ => ["failure_rate.window", "failure_rate.min_calls"],
        };
        table.fits(window, self.window)?;
        table.fits(min_calls, self.min_calls)?;
        table.fits("backoff.multiplier", self.backoff.map(|(multiplier, _)| multiplier))?;
        table.fits("backoff.max", self.backoff.map(|(_, max)| max))?;
        table.fits("backoff.jitter", self.jitter)?;
        let failure_rate = self.failure_rate.map(Ratio::checked);
        let slow = self.slow.map(|(over, share)| SlowCalls { over, ratio: Ratio::checked(share) });
        if self.failure_threshold == 0 && failure_rate.is_none() && slow.is_none() {
            let problem = "is 0, which switches the rule off; then `failure_rate` or `slow` must be set";
            return Err(ConfigError::new("failure_threshold", problem).with_others(&["failure_rate", "slow"]));
        }
        if let (Some(calls), Window::Calls(size)) = (self.min_calls, self.window)
            && calls > size
        {
            let problem = format!("must be at most the {size} calls of the window, and is {calls}");
            return Err(ConfigError::new(min_calls, problem));
        }
        if self.cancelled == Cancelled::Slow && slow.is_none() {
            let problem = "is \"slow\", which needs `slow` to be set";
            return Err(ConfigError::new("cancelled", problem).with_others(&["slow"]));
        }
        Ok(CircuitBreakerConfig {
            open_time: self.open_time()?,
            enabled: self.enabled,
            failure_threshold: self.failure_threshold,
            min_request_threshold: self.min_request_threshold,
            success_threshold: self.success_threshold,
            half_open_max: self.half_open_max,
            half_open_timeout: self.half_open_timeout,
            failure_rate,
            window: self.window,
            min_calls: self.min_calls,
            slow,
            max_push_back: self.max_push_back,
            cancelled: self.cancelled,
            on: self.on,
        })
    }

    fn open_time(&self) -> Result<Backoff, ConfigError> {
        let share = self.jitter.unwrap_or(if self.backoff.is_some() { 0.1 } else { 0.0 });
        let jitter = if share == 0.0 { Jitter::None } else { Jitter::Proportional(share) };
        let constant = || (1.0, constant_max(self.recovery_timeout, share));
        let (multiplier, max) = self.backoff.unwrap_or_else(constant);
        Backoff::new(self.recovery_timeout, max, multiplier, jitter).map_err(|error| {
            // All else was found to fit.
            let problem = error.problem().replace("the initial interval", "`recovery_timeout`");
            ConfigError::new("backoff.max", problem).with_others(&["recovery_timeout"])
        })
    }
}

/// The maximum of an open time that does not grow. Jitter never goes above it, so it has the room for that.
fn constant_max(time: Duration, share: f64) -> Duration {
    let room = if share > 0.0 && share <= 1.0 { scaled(time, share) } else { Duration::ZERO };
    time.checked_add(room).unwrap_or(time)
}

fn scaled(time: Duration, share: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * share).unwrap_or(Duration::ZERO)
}

impl Default for CircuitBreakerConfigBuilder {
    fn default() -> Self {
        Self::from(CircuitBreakerConfig::default())
    }
}

impl From<CircuitBreakerConfig> for CircuitBreakerConfigBuilder {
    fn from(config: CircuitBreakerConfig) -> Self {
        let open = config.open_time;
        let share = if let Jitter::Proportional(share) = open.jitter() { share } else { 0.0 };
        // A constant time has its maximum above itself only where jitter needs the room.
        let grows = open.multiplier() != 1.0 || open.max() != constant_max(open.initial(), share);
        Self {
            enabled: config.enabled,
            failure_threshold: config.failure_threshold,
            min_request_threshold: config.min_request_threshold,
            success_threshold: config.success_threshold,
            half_open_max: config.half_open_max,
            half_open_timeout: config.half_open_timeout,
            failure_rate: config.failure_rate.map(Ratio::get),
            window: config.window,
            min_calls: config.min_calls,
            slow: config.slow.map(|slow| (slow.over, slow.ratio.get())),
            recovery_timeout: open.initial(),
            backoff: grows.then(|| (open.multiplier(), open.max())),
            jitter: (grows || share != 0.0).then_some(share),
            max_push_back: config.max_push_back,
            cancelled: config.cancelled,
            on: config.on,
        }
    }
}
