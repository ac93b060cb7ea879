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
/// Healthy and Degraded always pass, Offline is always refused.
///
/// ```
/// use plugin_health::{GatePolicy, HealthGateConfig};
///
/// let config = HealthGateConfig::builder().with_unhealthy(GatePolicy::Refuse).build();
/// assert_eq!((config.unhealthy(), config.unknown()), (GatePolicy::Refuse, GatePolicy::Pass));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthGateConfig {
    unhealthy: GatePolicy,
    unknown: GatePolicy,
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

    /// The settings. Any two policies fit one another.
    #[must_use]
    pub fn build(self) -> HealthGateConfig {
        self.0
    }
}
