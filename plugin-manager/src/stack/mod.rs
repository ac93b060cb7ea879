//! The default stack: the layers of the family in the order that the manager uses, out of settings.

mod boxed;
mod call_key;
mod caller;
mod foreign;
mod health;
mod rate_limit;
mod transport;

use std::{sync::Arc, time::Duration};

use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer};
use plugin_core::{
    ByErrorType, ConfigError, HealthCell, HealthStatus, Plugin, PluginInstance,
    deadline::{AttemptTimeout, AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_health::{HealthCheck, HealthConfig, HealthGateConfig, HealthGateLayer};
use plugin_lb::{Balance, BalanceConfig, Endpoint};
use plugin_ratelimit::{
    RateLimitConfig,
    concurrency::{ByCallPriority, ConcurrencyLimitConfig, ConcurrencyLimitLayer, ConcurrencyLimited},
    throttle::{AdaptiveThrottleConfig, AdaptiveThrottleLayer},
};
use plugin_retry::{RetryConfig, RetryLayer};
use plugin_telemetry::{ByCall, TelemetryLayer};
use tower::{
    Layer, ServiceBuilder,
    util::{Either, option_layer},
};

use boxed::{Boxed, boxed};
pub use call_key::CallKey;
pub use caller::Caller;
use foreign::Foreign;
pub use rate_limit::RateLimitSettings;
pub use transport::{Transport, TransportFuture};

use crate::manager::{Controls, Instances, Registration};

/// The settings of a default stack.
///
/// ```text
/// Telemetry > Deadline > RateLimit > ConcurrencyLimit > AdaptiveThrottle > Retry > CircuitBreaker > HealthGate > Balance
///   > [per instance: ConcurrencyLimit > AttemptTimeout > transport]
/// ```
///
/// Every default stack has the same type: a layer that is left out passes calls through, or its place is empty.
///
/// | setting | default |
/// |---|---|
/// | `timeout`, of the whole call | 30 s |
/// | `attempt_timeout` | 30 s |
/// | `rate_limit`, refusing or waiting, for all calls or for each key, on this machine or over many | none |
/// | `concurrency`, calls in flight; attempts at one instance: [`Instance::with_concurrency`] | none |
/// | `adaptive_throttle`, what is refused while the plugin turns many calls away | none |
/// | `retry` | on, [`RetryConfig::default`] |
/// | `circuit_breaker` | on, [`CircuitBreakerConfig::default`]; without a `half_open_timeout`, the longer of `recovery_timeout` and `timeout` |
/// | `health_check` | on, [`HealthConfig::default`] |
/// | `balance` | [`BalanceConfig::default`] |
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a stack is built from them"]
pub struct StackSettings {
    timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    rate_limit: Option<RateLimitSettings>,
    concurrency: Option<ConcurrencyLimitConfig>,
    adaptive_throttle: Option<AdaptiveThrottleConfig>,
    retry: Option<RetryConfig>,
    circuit_breaker: Option<CircuitBreakerConfig>,
    health_check: Option<HealthConfig>,
    balance: BalanceConfig,
    counts: Option<Counts>,
}

/// Counts the calls of a default stack.
pub(crate) type Counts = TelemetryLayer<ByCall>;

/// Counts the calls of the plugin of this name.
pub(crate) fn counts(name: &str) -> Counts {
    // Every layer of this stack is of the family, and what code of somebody else leaves is forgotten (`foreign`), so the end that
    // one further in has read is the call's.
    TelemetryLayer::new(name).for_calls().take_end_from_within()
}

/// A service whose calls in flight may be limited.
type Limited<S> = Either<Boxed<ConcurrencyLimited<S, ByErrorType, ByCallPriority>>, S>;

impl Default for StackSettings {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(30)),
            attempt_timeout: Some(Duration::from_secs(30)),
            rate_limit: None,
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

/// One instance of a plugin: what a connector returned, and how the balancer sees it.
#[derive(Clone, Debug)]
pub struct Instance<S> {
    endpoint: Endpoint<S>,
    connected: PluginInstance<S>,
    name: Arc<str>,
    concurrency: Option<ConcurrencyLimitConfig>,
}

impl<S: Clone> Instance<S> {
    /// An instance under a name that no other instance of the plugin has.
    pub fn new(name: &str, connected: PluginInstance<S>) -> Self {
        let endpoint = Endpoint::new(name, connected.service().clone());
        Self { endpoint, connected, name: Arc::from(name), concurrency: None }
    }

    /// Limits how many of its calls are in flight at once. Default: there is no limit.
    #[must_use]
    pub fn with_concurrency(mut self, config: impl Into<Option<ConcurrencyLimitConfig>>) -> Self {
        self.concurrency = config.into();
        self
    }

    /// Its share of the calls under a weighted strategy. Default: 1.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.endpoint = self.endpoint.with_weight(weight);
        self
    }

    /// Its priority; larger is higher. Default: 0.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.endpoint = self.endpoint.with_priority(priority);
        self
    }

    /// Whether it takes calls. Default: it does.
    #[must_use]
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.endpoint = self.endpoint.with_enabled(enabled);
        self
    }

    /// Where it runs.
    #[must_use]
    pub fn with_zone(mut self, zone: &str) -> Self {
        self.endpoint = self.endpoint.with_zone(zone);
        self
    }
}

impl<S> Instance<S> {
    /// The same instance round another service, such as this one with its type erased.
    #[must_use]
    pub fn map<T>(self, f: impl Fn(S) -> T) -> Instance<T> {
        let Self { endpoint, connected, name, concurrency } = self;
        Instance { endpoint: endpoint.map(&f), connected: connected.map(&f), name, concurrency }
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

    /// Builds the stack of a plugin over its instances, with its handles. The checks of health start at once, so this
    /// must be called within a tokio runtime, unless there are none.
    ///
    /// # Errors
    ///
    /// When two instances have the same name, a weight is out of bounds, or a rate limit is to wait that cannot.
    pub fn build<S, Req, Res>(
        self,
        name: &str,
        instances: Vec<Instance<S>>,
    ) -> Result<Registration<Req, Res>, ConfigError>
    where
        S: Plugin<Req, Res>,
        Req: Clone + Send + 'static,
        Res: Send + 'static,
    {
        self.build_over(name, instances.into_iter().map(|instance| instance.map(Foreign::new)).collect())
    }

    /// The same over services that know where foreign code begins.
    pub(crate) fn build_over<S, Req, Res>(
        self,
        name: &str,
        instances: Vec<Instance<S>>,
    ) -> Result<Registration<Req, Res>, ConfigError>
    where
        S: Plugin<Req, Res>,
        Req: Clone + Send + 'static,
        Res: Send + 'static,
    {
        let telemetry = self.counts.unwrap_or_else(|| counts(name));
        let (rate_limit, rate_limit_control) = match self.rate_limit {
            Some(settings) => settings.layer(name).map(|(layer, control)| (layer, Some(control)))?,
            None => (rate_limit::none(), None),
        };
        let throttle = self.adaptive_throttle.map(|config| AdaptiveThrottleLayer::new(config).for_calls());
        let limited = |config| ConcurrencyLimitLayer::new(config).for_calls();
        let concurrency = self.concurrency.map(limited);
        let has_retry = self.retry.is_some();
        let retry = self.retry.map_or_else(RetryLayer::disabled, RetryLayer::new);
        let has_breaker = self.circuit_breaker.is_some();
        // A probe runs as long as the call that it is part of may, so a service that is slow for its open time closes it.
        let circuit_breaker = self.circuit_breaker.map(|config| match self.timeout {
            Some(timeout) => config.or_half_open_timeout(timeout),
            None => config,
        });
        let breaker = circuit_breaker.map_or_else(CircuitBreakerLayer::disabled, CircuitBreakerLayer::new);
        let info = instances.first().map(|instance| instance.connected.info().clone()).unwrap_or_default();

        let deadline = self.timeout.map_or_else(DeadlineLayer::enforce_only, DeadlineLayer::new);
        let attempt = self.attempt_timeout.map_or_else(AttemptTimeoutLayer::disabled, AttemptTimeoutLayer::new);

        let mut known = self.health_check.is_some();
        let mut checks = Vec::new();
        let mut cells = Vec::new();
        let mut closing = Vec::new();
        let mut endpoints = Vec::new();
        let mut instance_concurrency = Vec::new();
        for Instance { endpoint, connected, name, concurrency } in instances {
            // The transport's own, where it writes what no check can know as soon.
            let cell =
                connected.health().map_or_else(|| Arc::new(HealthCell::new(HealthStatus::default())), Arc::clone);
            known |= connected.health().is_some();
            if let Some(config) = self.health_check {
                checks.push(HealthCheck::start_in(Arc::clone(&cell), config, connected.probe()));
            }
            let concurrency = concurrency.map(limited);
            instance_concurrency.extend(concurrency.as_ref().map(|layer| (name, layer.handle())));
            // Outside of the limit of an attempt: the time in line is not the instance's.
            let concurrency = boxed(concurrency);
            let endpoint = endpoint.map(|service| concurrency.layer(attempt.layer(service)));
            endpoints.push(endpoint.with_health(Arc::clone(&cell)));
            cells.push(cell);
            closing.push(connected);
        }
        let (group, watcher) = health::group(cells);
        let gate = match self.health_check {
            Some(_) => HealthGateLayer::sharing(HealthGateConfig::default(), &group),
            None => HealthGateLayer::disabled(),
        };
        let balance: Balance<Limited<AttemptTimeout<S>>> =
            Balance::new(self.balance, endpoints).map_err(|error| ConfigError::new("instances", error.to_string()))?;
        let controls = Controls {
            breaker: has_breaker.then(|| breaker.handle()),
            retry: has_retry.then(|| retry.handle()),
            rate_limit: rate_limit_control,
            concurrency: concurrency.as_ref().map(ConcurrencyLimitLayer::handle),
            instance_concurrency,
            adaptive_throttle: throttle.as_ref().map(AdaptiveThrottleLayer::handle),
            health_checks: checks.clone(),
            deadline: Some(deadline.handle()),
            attempt_timeout: Some(attempt.handle()),
            instances: Some(Instances::of(&balance)),
            process: None,
            tls: None,
        };
        let in_flight = match (concurrency, throttle) {
            (None, None) => None,
            (concurrency, throttle) => Some((option_layer(concurrency), option_layer(throttle))),
        };
        let handle = telemetry.handle();
        let stack = ServiceBuilder::new()
            .layer(telemetry)
            .layer(deadline)
            .layer(rate_limit)
            .layer(boxed(in_flight))
            .layer(retry)
            .layer(breaker)
            .layer(gate)
            .service(balance.for_calls());
        let mut registration = Registration::new(stack).with_info(info).with_telemetry(handle).with_controls(controls);
        if known {
            registration = registration.with_health(group);
        }
        for instance in closing {
            registration = registration.on_close(move |grace| instance.close(grace));
        }
        Ok(registration.on_close(move |_| {
            watcher.abort();
            let checks = checks.clone();
            async move {
                for check in checks {
                    check.stop().await;
                }
                Ok(())
            }
        }))
    }
}
