//! One place that calls can go to.

use std::{fmt, sync::Arc};

use plugin_core::HealthCell;

/// One place that calls can go to: a service under a name, and what the balancer should know of it.
///
/// | setting | default |
/// |---|---|
/// | weight | 1, from 1 to [`Endpoint::MAX_WEIGHT`] |
/// | priority | 0, larger is higher |
/// | enabled | yes |
/// | zone | none |
/// | health | Unknown, which is as good as Healthy |
///
/// ```
/// use plugin_lb::{Balance, BalanceConfig, Endpoint, Strategy};
/// use tower::{BoxError, service_fn};
///
/// let echo = service_fn(|word: &'static str| async move { Ok::<_, BoxError>(word) });
/// let endpoints = [
///     Endpoint::new("10.0.0.1:8080", echo).with_weight(3).with_zone("north"),
///     Endpoint::new("10.0.0.2:8080", echo).with_enabled(false), // until the handle enables it
/// ];
/// let config = BalanceConfig::builder().with_strategy(Strategy::WeightedRoundRobin).build()?;
/// assert_eq!(Balance::new(config, endpoints)?.handle().len(), 2);
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone)]
#[must_use = "an endpoint takes no call until it is part of a balancer"]
pub struct Endpoint<S> {
    pub(crate) name: Arc<str>,
    pub(crate) service: S,
    pub(crate) weight: u32,
    pub(crate) priority: i32,
    pub(crate) enabled: bool,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) health: Option<Arc<HealthCell>>,
}

impl Endpoint<()> {
    /// The largest weight.
    pub const MAX_WEIGHT: u32 = 1_000_000;
}

impl<S> Endpoint<S> {
    /// An endpoint with the defaults. The name is unique within a balancer.
    pub fn new(name: impl Into<Arc<str>>, service: S) -> Self {
        Self { name: name.into(), service, weight: 1, priority: 0, enabled: true, zone: None, health: None }
    }

    /// Sets its share of the calls, against the weights of the others. Read by the weighted strategies, by `p2c`,
    /// `consistent-hash` and `maglev`.
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Sets its priority; larger is higher. Read by `priority`.
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets whether it takes calls from the start.
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Says where it runs. Those in the [zone](crate::BalanceConfigBuilder::with_zone) of the balancer are preferred.
    pub fn with_zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Sets where its health is read from on every pick. A health monitor writes it.
    pub fn with_health(mut self, health: Arc<HealthCell>) -> Self {
        self.health = Some(health);
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.service
    }

    /// The same endpoint round another service, such as this one in a stack of layers.
    pub fn map<T>(self, f: impl FnOnce(S) -> T) -> Endpoint<T> {
        let Self { name, service, weight, priority, enabled, zone, health } = self;
        Endpoint { name, service: f(service), weight, priority, enabled, zone, health }
    }
}

impl<S> fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("weight", &self.weight)
            .field("priority", &self.priority)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}
