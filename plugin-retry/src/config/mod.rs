//! The settings of a retry layer.

mod settings;

use std::{sync::Arc, time::Duration};

use plugin_core::{
    Backoff, ConfigError, Jitter,
    settings::{Given, Settings},
};

pub(crate) use settings::MAX_BODY;

use crate::{BudgetConfig, Condition, ThrottleConfig, wait_policy::WaitPolicy};

/// The settings of a [`RetryLayer`](crate::RetryLayer).
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// With the feature `serde` it is read and written as a configuration file has it; a closure that gives the waits is not
/// written.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_retry::RetryConfig;
///
/// let config = RetryConfig::builder().with_max_retries(2).with_initial_interval(Duration::from_millis(50)).build()?;
/// assert_eq!(config.max_retry_after(), Duration::from_secs(30)); // the default
///
/// let fault = RetryConfig::builder().with_multiplier(0.5).build().expect_err("waits do not shrink");
/// assert_eq!(fault.to_string(), "`multiplier` must be from 1 to 100, and is 0.5");
/// # Ok::<(), plugin_retry::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RetryConfig {
    pub(crate) max_retries: u16,
    pub(crate) wait_policy: WaitPolicy,
    pub(crate) spending: Spending,
    pub(crate) on: Vec<Condition>,
    pub(crate) idempotent: bool,
    pub(crate) unsent: bool,
    pub(crate) max_retry_after: Duration,
    pub(crate) max_body: u32,
}

/// What limits the retries of all calls together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Spending {
    Free,
    Budget(BudgetConfig),
    Throttle(ThrottleConfig),
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: 3,
            wait_policy: WaitPolicy::Backoff(Backoff::default()),
            spending: Spending::Budget(BudgetConfig::default()),
            on: Vec::new(),
            idempotent: false,
            unsent: false,
            max_retry_after: Duration::from_secs(30),
            max_body: 64 * 1024,
        }
    }
}

impl RetryConfig {
    /// Settings that start from the defaults.
    pub fn builder() -> RetryConfigBuilder {
        RetryConfigBuilder::default()
    }

    /// Repetitions after the first attempt.
    #[must_use]
    pub fn max_retries(&self) -> u16 {
        self.max_retries
    }

    /// The waits between attempts; `None` when a closure gives them.
    #[must_use]
    pub fn backoff(&self) -> Option<Backoff> {
        match &self.wait_policy {
            WaitPolicy::Backoff(backoff) => Some(*backoff),
            WaitPolicy::Custom(_) => None,
        }
    }

    /// The budget, when there is one.
    #[must_use]
    pub fn budget(&self) -> Option<BudgetConfig> {
        match self.spending {
            Spending::Budget(budget) => Some(budget),
            _ => None,
        }
    }

    /// The throttle, when there is one.
    #[must_use]
    pub fn throttle(&self) -> Option<ThrottleConfig> {
        match self.spending {
            Spending::Throttle(throttle) => Some(throttle),
            _ => None,
        }
    }

    /// The failures that are retried; empty when the classifier decides.
    #[must_use]
    pub fn retry_on(&self) -> &[Condition] {
        &self.on
    }

    /// Whether a request that does not say so itself may be repeated without a second effect.
    #[must_use]
    pub fn idempotent(&self) -> bool {
        self.idempotent
    }

    /// Whether other HTTP requests than gRPC calls are kept that may only be repeated when nothing was sent.
    #[must_use]
    pub fn unsent(&self) -> bool {
        self.unsent
    }

    /// The longest wait that a service may ask for.
    #[must_use]
    pub fn max_retry_after(&self) -> Duration {
        self.max_retry_after
    }

    /// The most bytes of a body that are kept.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_body as usize
    }
}

/// Makes a [`RetryConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RetryConfigBuilder {
    config: RetryConfig,
    max_retries: u32,
    initial: Duration,
    max: Duration,
    multiplier: f64,
    jitter: Jitter,
    max_body: usize,
    custom: bool,
}

impl Default for RetryConfigBuilder {
    fn default() -> Self {
        let config = RetryConfig::default();
        let backoff = Backoff::default();
        Self {
            max_retries: config.max_retries.into(),
            max_body: config.max_body(),
            config,
            initial: backoff.initial(),
            max: backoff.max(),
            multiplier: backoff.multiplier(),
            jitter: backoff.jitter(),
            custom: false,
        }
    }
}

impl RetryConfigBuilder {
    /// Repetitions after the first attempt.
    pub fn with_max_retries(mut self, max: u32) -> Self {
        self.max_retries = max;
        self
    }

    /// The first wait.
    pub fn with_initial_interval(mut self, interval: Duration) -> Self {
        self.initial = interval;
        self
    }

    /// The longest wait.
    pub fn with_max_interval(mut self, interval: Duration) -> Self {
        self.max = interval;
        self
    }

    /// The factor from one wait to the next.
    pub fn with_multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// How waits are spread. It is drawn for each call anew.
    pub fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The same wait before each repetition, without jitter.
    pub fn with_constant_interval(mut self, interval: Duration) -> Self {
        (self.initial, self.max, self.multiplier, self.jitter) = (interval, interval, 1.0, Jitter::None);
        self
    }

    /// Waits as a closure says, which is given the number of the repetition, from 0. The other settings of waits then
    /// have no effect, and what a service asks for is still heeded.
    pub fn with_intervals(mut self, wait: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        self.config.wait_policy = WaitPolicy::Custom(Arc::new(wait));
        self.custom = true;
        self
    }

    /// Limits retries to a share of the successes.
    pub fn with_budget(mut self, budget: BudgetConfig) -> Self {
        self.config.spending = Spending::Budget(budget);
        self
    }

    /// Limits retries as gRFC A6 does, instead of a budget.
    pub fn with_throttle(mut self, throttle: ThrottleConfig) -> Self {
        self.config.spending = Spending::Throttle(throttle);
        self
    }

    /// Lifts the limit on the retries of all calls together: an outage is then met by `max_retries` times the traffic.
    pub fn without_budget(mut self) -> Self {
        self.config.spending = Spending::Free;
        self
    }

    /// Retries on these failures and no others. What the caller has given up is never retried.
    pub fn with_retry_on(mut self, on: impl IntoIterator<Item = Condition>) -> Self {
        self.config.on = on.into_iter().collect();
        self
    }

    /// Says that requests may be repeated without a second effect, unless they say otherwise themselves.
    pub fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.config.idempotent = idempotent;
        self
    }

    /// Keeps HTTP requests too that are not idempotent, to repeat them when nothing was sent (a refused connection, an
    /// overload inside). It costs a copy of the head for each of them. gRPC calls are kept in any case.
    pub fn with_unsent(mut self, unsent: bool) -> Self {
        self.config.unsent = unsent;
        self
    }

    /// Caps the wait that a service may ask for.
    pub fn with_max_retry_after(mut self, max: Duration) -> Self {
        self.config.max_retry_after = max;
        self
    }

    /// Caps the bytes of a body that are kept. A larger body is sent once.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(mut self) -> Result<RetryConfig, ConfigError> {
        let table = RetryConfig::TABLE;
        table.fits("max_retries", self.max_retries)?;
        table.fits("max_body", Given::size(self.max_body))?;
        // Both types hold all that fits.
        self.config.max_retries = u16::try_from(self.max_retries).unwrap_or(u16::MAX);
        self.config.max_body = u32::try_from(self.max_body).unwrap_or(u32::MAX);
        if !self.custom {
            self.config.wait_policy =
                WaitPolicy::Backoff(Backoff::new(self.initial, self.max, self.multiplier, self.jitter)?);
        }
        Ok(self.config)
    }
}
