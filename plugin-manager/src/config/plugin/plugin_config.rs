//! What a plugin is configured to be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use plugin_breaker::CircuitBreakerConfig;
use plugin_health::HealthConfig;
use plugin_lb::BalanceConfig;
use plugin_ratelimit::RateLimitConfig;
use plugin_ratelimit::concurrency::ConcurrencyLimitConfig;
use plugin_ratelimit::throttle::AdaptiveThrottleConfig;
use plugin_retry::RetryConfig;
use plugin_settings::Faults;
use serde_json::{Map, Value};

use super::TransportConfig;
use crate::config::{PluginKeyedConcurrency, PluginRateLimit};
use crate::stack::CallKey;

/// A plugin: how it is reached, and what stands before it.
///
/// What `default_retry` and its like say is in it already. `Debug` shows no secret.
/// ```
/// use std::path::Path;
///
/// use plugin_manager::config;
///
/// let text = "plugins: [{name: billing, transport: http, endpoint: 'http://127.0.0.1:8001/', timeout: 5s}]";
/// let config = config::from_text(Path::new("gateway.yaml"), text, None, &|_| None)?;
/// let billing = &config.plugins()[0];
/// assert_eq!((billing.name(), billing.timeout().as_secs(), billing.enabled()), ("billing", 5, true));
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
#[derive(Clone)]
pub struct PluginConfig {
    pub(super) name: String,
    pub(super) kind: Option<String>,
    /// What is wrong with `kind` where no factory of that name is registered and nothing else can make the plugin.
    pub(super) unregistered: Faults,
    pub(super) enabled: bool,
    pub(super) required: bool,
    pub(super) priority: i32,
    pub(super) version: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) options: Map<String, Value>,
    pub(super) timeout: Duration,
    pub(super) attempt_timeout: Duration,
    pub(super) transport: TransportConfig,
    pub(super) retry: RetryConfig,
    pub(super) circuit_breaker: CircuitBreakerConfig,
    pub(super) health_check: Option<HealthConfig>,
    pub(super) rate_limit: Option<PluginRateLimit>,
    pub(super) concurrency_per_key: Option<PluginKeyedConcurrency>,
    pub(super) concurrency: Option<ConcurrencyLimitConfig>,
    pub(super) adaptive_throttle: Option<AdaptiveThrottleConfig>,
    pub(super) load_balancer: BalanceConfig,
}

impl PluginConfig {
    /// The name by which it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `type`: the factory that makes it, when one is named.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// What is wrong with how it is made, where no factory is registered under its `type`.
    pub(in crate::config) fn unmade(&self) -> &Faults {
        match &self.transport {
            TransportConfig::Unusable(_, faults) => faults,
            _ => &self.unregistered,
        }
    }

    /// Whether it takes calls. One that does not is not started, and calls get `PLUGIN_1202`.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Whether the gateway does not start when the plugin does not. Otherwise that is tried again while the others
    /// serve.
    #[must_use]
    pub fn required(&self) -> bool {
        self.required
    }

    /// Its place among the plugins; larger is higher. [`Config::plugins`](crate::config::Config::plugins) is in this order.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// The version that it is expected to have, after semver.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Labels, for whoever lists plugins.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Annotations, for whoever looks at the plugin.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// What the plugin is told before its first call; over gRPC on each new connection. Secrets may be in it.
    #[must_use]
    pub fn options(&self) -> &Map<String, Value> {
        &self.options
    }

    /// How long a call may take, all attempts together.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long one attempt may take (`connection.request_timeout`). The transports leave it to the stack.
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout
    }

    /// How it is reached.
    #[must_use]
    pub fn transport(&self) -> &TransportConfig {
        &self.transport
    }

    /// The retries. None are made when `max_retries` is 0.
    #[must_use]
    pub fn retry(&self) -> &RetryConfig {
        &self.retry
    }

    /// The circuit breaker. It judges nothing when it is not `enabled`.
    #[must_use]
    pub fn circuit_breaker(&self) -> &CircuitBreakerConfig {
        &self.circuit_breaker
    }

    /// The health check, unless it is off.
    #[must_use]
    pub fn health_check(&self) -> Option<HealthConfig> {
        self.health_check
    }

    /// The rate limit, when it is on: of all calls, or of those of each key.
    #[must_use]
    pub fn rate_limit(&self) -> Option<RateLimitConfig> {
        self.rate_limit.as_ref().map(PluginRateLimit::limit)
    }

    /// What kind of limit that is.
    #[must_use]
    pub fn kind_of_rate_limit(&self) -> Option<&PluginRateLimit> {
        self.rate_limit.as_ref()
    }

    /// How many calls of each client, address or header may be in flight at once, when that is limited.
    #[must_use]
    pub fn concurrency_per_key(&self) -> Option<&PluginKeyedConcurrency> {
        self.concurrency_per_key.as_ref()
    }

    /// By what its limits tell calls apart.
    pub(crate) fn call_keys(&self) -> impl Iterator<Item = &CallKey> {
        let rate = self.rate_limit.as_ref().and_then(PluginRateLimit::key);
        rate.into_iter().chain(self.concurrency_per_key.as_ref().map(PluginKeyedConcurrency::key))
    }

    /// The limit on calls in flight, when it is on.
    #[must_use]
    pub fn concurrency(&self) -> Option<ConcurrencyLimitConfig> {
        self.concurrency
    }

    /// The adaptive throttle, when it is on.
    #[must_use]
    pub fn adaptive_throttle(&self) -> Option<AdaptiveThrottleConfig> {
        self.adaptive_throttle
    }

    /// How one of several instances is picked.
    #[must_use]
    pub fn load_balancer(&self) -> BalanceConfig {
        self.load_balancer.clone()
    }
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value of `options` may be a secret: their names are enough.
        let options: Vec<_> = self.options.keys().collect();
        f.debug_struct("PluginConfig")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("enabled", &self.enabled)
            .field("required", &self.required)
            .field("priority", &self.priority)
            .field("version", &self.version)
            .field("labels", &self.labels)
            .field("annotations", &self.annotations)
            .field("options", &options)
            .field("timeout", &self.timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("transport", &self.transport)
            .field("retry", &self.retry)
            .field("circuit_breaker", &self.circuit_breaker)
            .field("health_check", &self.health_check)
            .field("rate_limit", &self.rate_limit)
            .field("concurrency_per_key", &self.concurrency_per_key)
            .field("concurrency", &self.concurrency)
            .field("adaptive_throttle", &self.adaptive_throttle)
            .field("load_balancer", &self.load_balancer)
            .finish()
    }
}
