//! The settings of a balancer.

use std::{sync::Arc, time::Duration};

use plugin_core::{ConfigError, settings};

use crate::{OutlierConfig, Strategy};

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
    /// nobody is up.
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

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When `pick_timeout` or `slow_start` is zero, `panic_threshold` is not from 0 to 1, `subset` is 0, or
    /// `overprovisioning` is not from 1 to 1000.
    pub fn build(self) -> Result<BalanceConfig, ConfigError> {
        settings::fitting(self.0)
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
        assert!(read(r#"{"strategy":12}"#).expect_err("too large").contains("its number from 0 to 11"));
        assert!(read(r#"{"strategie":"random"}"#).expect_err("a typing error").contains("strategie"));
        assert!(read(r#"{"pick_timeout":0}"#).expect_err("zero").contains("`pick_timeout` must be longer than zero"));
        let text = serde_json::to_string(&config).expect("plain");
        assert_eq!(
            text,
            r#"{"strategy":"least-latency","failover":false,"pick_timeout":"250ms","panic_threshold":0.0,"overprovisioning":1.4}"#
        );
    }
}
