//! The settings of weights that backends report.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// How the reports of backends become weights, under the strategy `reported-weights`. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_lb::{BalanceConfig, ReportedWeightsConfig, Strategy};
///
/// let weights = ReportedWeightsConfig::builder().with_blackout_period(Duration::from_secs(3)).build()?;
/// let config =
///     BalanceConfig::builder().with_strategy(Strategy::ReportedWeights).with_reported_weights(weights).build()?;
/// assert_eq!(config.reported_weights().weight_update_period(), Duration::from_secs(1)); // the default
///
/// let always = ReportedWeightsConfig::builder().with_weight_update_period(Duration::ZERO);
/// let fault = always.build().expect_err("too often");
/// assert_eq!(fault.to_string(), "`weight_update_period` must be at least 100ms, and is 0s");
/// # Ok::<(), plugin_lb::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportedWeightsConfig {
    blackout_period: Duration,
    weight_expiration_period: Duration,
    weight_update_period: Duration,
    error_utilization_penalty: f64,
}

impl Default for ReportedWeightsConfig {
    fn default() -> Self {
        Self {
            blackout_period: Duration::from_secs(10),
            weight_expiration_period: Duration::from_secs(3 * 60),
            weight_update_period: Duration::from_secs(1),
            error_utilization_penalty: 1.0,
        }
    }
}

impl ReportedWeightsConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> ReportedWeightsConfigBuilder {
        ReportedWeightsConfigBuilder(Self::default())
    }

    /// For how long an instance must report before its weight is used.
    #[must_use]
    pub fn blackout_period(&self) -> Duration {
        self.blackout_period
    }

    /// For how long the last report of an instance holds.
    #[must_use]
    pub fn weight_expiration_period(&self) -> Duration {
        self.weight_expiration_period
    }

    /// How often the weights are read anew.
    #[must_use]
    pub fn weight_update_period(&self) -> Duration {
        self.weight_update_period
    }

    /// By how much the share of calls that fail makes an instance as busy as if it were.
    #[must_use]
    pub fn error_utilization_penalty(&self) -> f64 {
        self.error_utilization_penalty
    }
}

/// Collects settings for a [`ReportedWeightsConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ReportedWeightsConfigBuilder(ReportedWeightsConfig);

impl ReportedWeightsConfigBuilder {
    /// Sets for how long an instance must report before its weight is used, when it is new, and when its last weight
    /// has expired. Default: 10 seconds; zero: at once.
    pub fn with_blackout_period(mut self, period: Duration) -> Self {
        self.0.blackout_period = period;
        self
    }

    /// Sets for how long the last report of an instance holds. Default: 3 minutes.
    pub fn with_weight_expiration_period(mut self, period: Duration) -> Self {
        self.0.weight_expiration_period = period;
        self
    }

    /// Sets how often the weights are read anew, at least 100 ms apart. Default: 1 second.
    pub fn with_weight_update_period(mut self, period: Duration) -> Self {
        self.0.weight_update_period = period;
        self
    }

    /// Sets by how much errors make an instance busier: the share of its requests that fail, times this, is added to
    /// its utilization. From 0.0, which lets errors count for nothing, to 1000.0. Default: 1.0.
    pub fn with_error_utilization_penalty(mut self, penalty: f64) -> Self {
        self.0.error_utilization_penalty = penalty;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When one is out of its bounds.
    pub fn build(self) -> Result<ReportedWeightsConfig, ConfigError> {
        settings::fitting(self.0)
    }
}
