//! The settings of a gate.

/// What a gate does with requests in one state of health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GatePolicy {
    /// They pass.
    #[default]
    Pass,
    /// They are refused with `HEALTH_1601`.
    Refuse,
}

/// The settings of a [`HealthGateLayer`](crate::HealthGateLayer): what it does with requests to a plugin that is not well.
/// Healthy and Degraded always pass; Offline is refused unless told otherwise.
///
/// A gate over a group of instances reads the status of all together, and stands outside of the balancer. Where not one instance
/// is up the balancer sends calls all the same, since one that may fail is better than one that must (its panic threshold), and a
/// gate that refuses leaves it nothing to send. There [`with_offline`](HealthGateConfigBuilder::with_offline) yields to it. Over one
/// instance there is nobody to yield to.
///
/// ```
/// use plugin_health::{GatePolicy, HealthGateConfig};
///
/// let config = HealthGateConfig::builder().with_unhealthy(GatePolicy::Refuse).build();
/// assert_eq!((config.unhealthy(), config.unknown()), (GatePolicy::Refuse, GatePolicy::Pass));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthGateConfig {
    unhealthy: GatePolicy,
    unknown: GatePolicy,
    offline: GatePolicy,
}

impl Default for HealthGateConfig {
    fn default() -> Self {
        Self { unhealthy: GatePolicy::Pass, unknown: GatePolicy::Pass, offline: GatePolicy::Refuse }
    }
}

impl HealthGateConfig {
    /// Begins with the defaults.
    pub fn builder() -> HealthGateConfigBuilder {
        HealthGateConfigBuilder(Self::default())
    }

    /// What is done while the state is Unhealthy.
    #[must_use]
    pub const fn unhealthy(&self) -> GatePolicy {
        self.unhealthy
    }

    /// What is done while the state is Unknown.
    #[must_use]
    pub const fn unknown(&self) -> GatePolicy {
        self.unknown
    }

    /// What is done while the state is Offline.
    #[must_use]
    pub const fn offline(&self) -> GatePolicy {
        self.offline
    }
}

/// Makes a [`HealthGateConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder makes nothing until `build`"]
pub struct HealthGateConfigBuilder(HealthGateConfig);

impl HealthGateConfigBuilder {
    /// Sets what is done while the state is Unhealthy. Default: pass.
    pub fn with_unhealthy(mut self, policy: GatePolicy) -> Self {
        self.0.unhealthy = policy;
        self
    }

    /// Sets what is done while the state is Unknown. Default: pass.
    pub fn with_unknown(mut self, policy: GatePolicy) -> Self {
        self.0.unknown = policy;
        self
    }

    /// Sets what is done while the state is Offline. Default: refuse. Pass is for a group whose balancer does what it can when
    /// all of it is down.
    pub fn with_offline(mut self, policy: GatePolicy) -> Self {
        self.0.offline = policy;
        self
    }

    /// The settings. Any policies fit one another.
    #[must_use]
    pub fn build(self) -> HealthGateConfig {
        self.0
    }
}
