//! One instance of a plugin.

use std::sync::Arc;

use plugin_core::PluginInstance;
use plugin_lb::Endpoint;
use plugin_ratelimit::concurrency::ConcurrencyLimitConfig;

/// One instance of a plugin: what a connector returned, and how the balancer sees it.
#[derive(Clone, Debug)]
pub struct Instance<S> {
    pub(super) endpoint: Endpoint<S>,
    pub(super) connected: PluginInstance<S>,
    pub(super) name: Arc<str>,
    pub(super) concurrency: Option<ConcurrencyLimitConfig>,
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
