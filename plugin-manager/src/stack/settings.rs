//! The settings of a default stack.

use std::time::Duration;

use plugin_breaker::CircuitBreakerConfig;
use plugin_health::HealthConfig;
use plugin_lb::BalanceConfig;
use plugin_ratelimit::{
    RateLimitConfig,
    concurrency::{ConcurrencyLimitConfig, KeyedConcurrencyLimitConfig},
    throttle::AdaptiveThrottleConfig,
};
use plugin_retry::RetryConfig;

use super::{CallKey, Counts, RateLimitSettings};

/// The settings of a default stack.
///
/// ```text
/// Telemetry > Deadline > RateLimit > KeyedConcurrencyLimit > ConcurrencyLimit > AdaptiveThrottle > Retry > CircuitBreaker
///   > HealthGate > Balance > [per instance: ConcurrencyLimit > AttemptTimeout > transport]
/// ```
///
/// There are two types of stack. In one of them are all layers, and those that are left out pass calls through. In the other,
/// of plugins without them, the places of the limits are empty, but for a rate limit that refuses: a call takes no room and no step
/// for what is not there.
///
/// | setting | default |
/// |---|---|
/// | `timeout`, of the whole call | 30 s |
/// | `attempt_timeout` | 30 s |
/// | `rate_limit`, refusing or waiting, for all calls or for each key, on this machine or over many | none |
/// | `concurrency_per_key`, calls in flight of each client, address or header | none |
/// | `concurrency`, calls in flight; attempts at one instance: [`Instance::with_concurrency`](super::Instance::with_concurrency) | none |
/// | `adaptive_throttle`, what is refused while the plugin turns many calls away | none |
/// | `retry` | on, [`RetryConfig::default`] |
/// | `circuit_breaker` | on, [`CircuitBreakerConfig::default`]; without a `half_open_timeout`, the longer of `recovery_timeout` and `timeout` |
/// | `health_check` | on, [`HealthConfig::default`] |
/// | `balance` | [`BalanceConfig::default`] |
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a stack is built from them"]
pub struct StackSettings {
    pub(super) timeout: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) rate_limit: Option<RateLimitSettings>,
    pub(super) concurrency_per_key: Option<(CallKey, KeyedConcurrencyLimitConfig)>,
    pub(super) concurrency: Option<ConcurrencyLimitConfig>,
    pub(super) adaptive_throttle: Option<AdaptiveThrottleConfig>,
    pub(super) retry: Option<RetryConfig>,
    pub(super) circuit_breaker: Option<CircuitBreakerConfig>,
    pub(super) health_check: Option<HealthConfig>,
    pub(super) balance: BalanceConfig,
    pub(super) counts: Option<Counts>,
}

impl Default for StackSettings {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(30)),
            attempt_timeout: Some(Duration::from_secs(30)),
            rate_limit: None,
            concurrency_per_key: None,
            concurrency: None,
            adaptive_throttle: None,
            retry: Some(RetryConfig::default()),
            circuit_breaker: Some(CircuitBreakerConfig::default()),
            health_check: Some(HealthConfig::default()),
            balance: BalanceConfig::default(),
            counts: None,
        }
    }
}

impl StackSettings {
    /// Limits the whole call, all attempts included.
    pub fn with_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Limits one attempt.
    pub fn with_attempt_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = timeout.into();
        self
    }

    /// Limits the rate of calls: one limit for all, which refuses what is more.
    pub fn with_rate_limit(self, config: impl Into<Option<RateLimitConfig>>) -> Self {
        self.with_rate_limit_settings(config.into().map(RateLimitSettings::new))
    }

    /// Limits the rate of calls, whatever kind of limit it is.
    pub fn with_rate_limit_settings(mut self, settings: impl Into<Option<RateLimitSettings>>) -> Self {
        self.rate_limit = settings.into();
        self
    }

    /// Limits how many calls of each key are in flight at once; more are refused at once, and none of them has a place of the
    /// limit for all.
    pub fn with_concurrency_per_key(
        mut self,
        limit: impl Into<Option<(CallKey, KeyedConcurrencyLimitConfig)>>,
    ) -> Self {
        self.concurrency_per_key = limit.into();
        self
    }

    /// Limits how many calls are in flight at once, over all instances: a call has its place for all of its attempts.
    pub fn with_concurrency(mut self, config: impl Into<Option<ConcurrencyLimitConfig>>) -> Self {
        self.concurrency = config.into();
        self
    }

    /// Refuses a share of the calls while the plugin turns many away.
    pub fn with_adaptive_throttle(mut self, config: impl Into<Option<AdaptiveThrottleConfig>>) -> Self {
        self.adaptive_throttle = config.into();
        self
    }

    /// Repeats calls that failed.
    pub fn with_retry(mut self, config: impl Into<Option<RetryConfig>>) -> Self {
        self.retry = config.into();
        self
    }

    /// Stops calling a plugin that fails.
    pub fn with_circuit_breaker(mut self, config: impl Into<Option<CircuitBreakerConfig>>) -> Self {
        self.circuit_breaker = config.into();
        self
    }

    /// Checks every instance regularly.
    pub fn with_health_check(mut self, config: impl Into<Option<HealthConfig>>) -> Self {
        self.health_check = config.into();
        self
    }

    /// How calls are spread over the instances.
    pub fn with_balance(mut self, config: BalanceConfig) -> Self {
        self.balance = config;
        self
    }

    /// Counts with this, which counts already, and with nothing of its own.
    pub(crate) fn with_counts(mut self, counts: Counts) -> Self {
        self.counts = Some(counts);
        self
    }
}
