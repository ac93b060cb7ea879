//! The settings of a balancer.

use std::{sync::Arc, time::Duration};

use plugin_core::{
    ConfigError,
    settings::{self, Settings},
};

use crate::{OutlierConfig, ReportedWeightsConfig, Strategy};

/// The settings of a balancer. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_lb::{BalanceConfig, Strategy};
///
/// let config = BalanceConfig::builder().with_strategy(Strategy::LeastLatency).build()?;
/// assert_eq!(config.pick_timeout(), Duration::from_secs(1)); // the default
///
/// let fault = BalanceConfig::builder().with_pick_timeout(Duration::ZERO).build().expect_err("no time to be ready");
/// assert_eq!(fault.to_string(), "`pick_timeout` must be longer than zero, and is 0s");
/// # Ok::<(), plugin_lb::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BalanceConfig {
    strategy: Strategy,
    failover: bool,
    pick_timeout: Duration,
    outlier: Option<OutlierConfig>,
    panic_threshold: f64,
    slow_start: Option<Duration>,
    subset: Option<u32>,
    zone: Option<Arc<str>>,
    overprovisioning: f64,
    max_load: Option<f64>,
    reported_weights: Option<ReportedWeightsConfig>,
}

impl Default for BalanceConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            failover: true,
            pick_timeout: Duration::from_secs(1),
            outlier: None,
            panic_threshold: 0.0,
            slow_start: None,
            subset: None,
            zone: None,
            overprovisioning: 1.4,
            max_load: None,
            reported_weights: None,
        }
    }
}

impl BalanceConfig {
    /// The defaults with this strategy.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }

    /// Settings to be changed and checked.
    pub fn builder() -> BalanceConfigBuilder {
        BalanceConfigBuilder(Self::default())
    }

    /// How to pick.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Whether another instance is tried when one is not ready or was not reached.
    #[must_use]
    pub fn failover(&self) -> bool {
        self.failover
    }

    /// How long an instance may take to be ready before another is picked.
    #[must_use]
    pub fn pick_timeout(&self) -> Duration {
        self.pick_timeout
    }

    /// When an instance that fails gets no calls for a time; `None`: never.
    #[must_use]
    pub fn outlier(&self) -> Option<OutlierConfig> {
        self.outlier
    }

    /// The share of instances that must be up for health to count. With a smaller one all are picked as if they were healthy.
    #[must_use]
    pub fn panic_threshold(&self) -> f64 {
        self.panic_threshold
    }

    /// How long an instance that joins others, or comes back, takes to have its whole share; `None`: it has it at once.
    #[must_use]
    pub fn slow_start(&self) -> Option<Duration> {
        self.slow_start
    }

    /// How many of the instances take the calls of this balancer as long as they can; `None`: all.
    #[must_use]
    pub fn subset(&self) -> Option<u32> {
        self.subset
    }

    /// Where this balancer is: instances of this zone are preferred.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// How much more than its own share of the load an instance can take when others of its tier are down, before calls go to the next
    /// tier.
    #[must_use]
    pub fn overprovisioning(&self) -> f64 {
        self.overprovisioning
    }

    /// How many times its share of the calls in flight an instance may have, before its keys go elsewhere; `None`: any
    /// number.
    #[must_use]
    pub fn max_load(&self) -> Option<f64> {
        self.max_load
    }

    /// How the reports of backends become weights, under `reported-weights`.
    #[must_use]
    pub fn reported_weights(&self) -> ReportedWeightsConfig {
        self.reported_weights.unwrap_or_default()
    }

    /// The same where it was set.
    pub(crate) fn reported_weights_set(&self) -> Option<ReportedWeightsConfig> {
        self.reported_weights
    }
}

/// Collects settings for an [`BalanceConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct BalanceConfigBuilder(BalanceConfig);

impl BalanceConfigBuilder {
    /// Sets how to pick.
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.0.strategy = strategy;
        self
    }

    /// Sets whether another instance is tried when one is not ready or was not reached.
    pub fn with_failover(mut self, failover: bool) -> Self {
        self.0.failover = failover;
        self
    }

    /// Sets how long an instance may take to be ready before another is picked.
    pub fn with_pick_timeout(mut self, timeout: Duration) -> Self {
        self.0.pick_timeout = timeout;
        self
    }

    /// Sets when an instance that fails gets no calls for a time. Default: `None`, never.
    pub fn with_outlier(mut self, outlier: impl Into<Option<OutlierConfig>>) -> Self {
        self.0.outlier = outlier.into();
        self
    }

    /// Sets the share of instances, from 0 to 1, that must be up for health to count. Default: 0, and health is ignored only where
    /// all are Offline.
    pub fn with_panic_threshold(mut self, share: f64) -> Self {
        self.0.panic_threshold = share;
        self
    }

    /// Sets how long an instance that joins others, or comes back, takes to have its whole share. Default: `None`, no time.
    pub fn with_slow_start(mut self, window: impl Into<Option<Duration>>) -> Self {
        self.0.slow_start = window.into();
        self
    }

    /// Sets how many of the instances of each tier take the calls of this balancer as long as they can. Default: `None`, all.
    pub fn with_subset(mut self, instances: impl Into<Option<u32>>) -> Self {
        self.0.subset = instances.into();
        self
    }

    /// Sets where this balancer is, so that instances of its zone are preferred. Default, and empty: nowhere in particular.
    pub fn with_zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.0.zone = Some(zone.into()).filter(|zone| !zone.is_empty());
        self
    }

    /// Sets how much more than its own share of the load an instance can take when others of its tier are down, from 1 to 1000: with
    /// 1.4, calls begin to go to the next tier when less than 71 % of a tier is up. Default: 1.4.
    pub fn with_overprovisioning(mut self, factor: f64) -> Self {
        self.0.overprovisioning = factor;
        self
    }

    /// Sets how many times its share of the calls in flight an instance may have, by weight, before its keys go to the
    /// next one: above 1.0 and at most 100.0, 1.25 say. For `consistent-hash` and `maglev`. Default: `None`, any number.
    ///
    /// With less, keys move more easily from an instance that is busier than others; with more, fewer do.
    pub fn with_max_load(mut self, max_load: impl Into<Option<f64>>) -> Self {
        self.0.max_load = max_load.into();
        self
    }

    /// Sets how the reports of backends become weights. For `reported-weights`. Default: `None`, its defaults.
    pub fn with_reported_weights(mut self, config: impl Into<Option<ReportedWeightsConfig>>) -> Self {
        self.0.reported_weights = config.into();
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When `pick_timeout` or `slow_start` is zero, `panic_threshold` is not from 0 to 1, `subset` is 0, `overprovisioning` is not from 1
    /// to 1000, `max_load` is out of bounds, or a setting has no effect with the strategy.
    pub fn build(self) -> Result<BalanceConfig, ConfigError> {
        let config = settings::fitting(self.0)?;
        let (strategy, given) = (config.strategy.as_str(), config.to_values());
        match BalanceConfig::TABLE.keys().find(|key| given.has(key.name()) && !key.serves(strategy)) {
            Some(idle) => {
                let problem = settings::without_effect(strategy, idle.modes());
                Err(ConfigError::new(idle.name(), problem).with_others(&["strategy"]))
            }
            None => Ok(config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_of_nothing_is_refused_by_name() {
        let error = BalanceConfig::builder().with_pick_timeout(Duration::ZERO).build().expect_err("zero");
        assert_eq!(error.to_string(), "`pick_timeout` must be longer than zero, and is 0s");
        for shortest in [Duration::from_nanos(1), Duration::MAX] {
            let config = BalanceConfig::builder().with_pick_timeout(shortest).build().expect("longer than 0");
            assert_eq!(config.pick_timeout(), shortest);
        }
    }

    #[test]
    fn a_setting_that_has_no_effect_with_the_strategy_is_named() {
        let with = |strategy| BalanceConfig::builder().with_strategy(strategy).with_max_load(1.25).build();
        for strategy in Strategy::ALL {
            let by_key = matches!(strategy, Strategy::ConsistentHash | Strategy::Maglev);
            let built = with(*strategy).map(|config| config.max_load()).map_err(|error| error.to_string());
            let named = format!("`max_load` has no effect with {strategy}; it is for consistent-hash, maglev");
            assert_eq!(built, if by_key { Ok(Some(1.25)) } else { Err(named) });
        }
        for (most, fits) in [(1.0, false), (1.001, true), (100.0, true), (100.1, false), (f64::NAN, false)] {
            let built = BalanceConfig::builder().with_strategy(Strategy::Maglev).with_max_load(most).build();
            assert_eq!(built.is_ok(), fits, "{most}");
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_document_is_read_by_name_and_by_number_and_unknown_keys_are_errors() {
        let read = |json: &str| serde_json::from_str::<BalanceConfig>(json).map_err(|error| error.to_string());
        assert_eq!(read("{}"), Ok(BalanceConfig::default()));
        let config = read(r#"{"strategy":"least-latency","failover":false,"pick_timeout":"250ms"}"#).expect("valid");
        assert_eq!(config.strategy(), Strategy::LeastLatency);
        assert_eq!((config.failover(), config.pick_timeout()), (false, Duration::from_millis(250)));
        assert_eq!(read(r#"{"strategy":5}"#).map(|config| config.strategy()), Ok(Strategy::ConsistentHash));
        assert!(read(r#"{"strategy":"fastest"}"#).expect_err("unknown").contains("one of round-robin, random"));
        assert!(read(r#"{"strategy":13}"#).expect_err("too large").contains("its number from 0 to 12"));
        assert!(read(r#"{"strategie":"random"}"#).expect_err("a typing error").contains("strategie"));
        assert!(read(r#"{"pick_timeout":0}"#).expect_err("zero").contains("`pick_timeout` must be longer than zero"));
        let text = serde_json::to_string(&config).expect("plain");
        assert_eq!(
            text,
            r#"{"strategy":"least-latency","failover":false,"pick_timeout":"250ms","panic_threshold":0.0,"overprovisioning":1.4}"#
        );
    }
}
