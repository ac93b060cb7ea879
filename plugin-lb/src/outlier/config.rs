//! The settings of outlier ejection.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// When an instance that fails gets no calls for a time. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_lb::{BalanceConfig, FailureRate, OutlierConfig};
///
/// let outlier = OutlierConfig::builder()
///     .with_consecutive_failures(3)
///     .with_failure_rate(FailureRate { over: 0.5, ..FailureRate::default() })
///     .build()?;
/// let config = BalanceConfig::builder().with_outlier(outlier).build()?;
/// assert_eq!(config.outlier().map(|outlier| outlier.max_ejected_percent()), Some(10));
///
/// let fault = OutlierConfig::builder().with_max_ejected_percent(0).build().expect_err("nobody would ever be ejected");
/// assert_eq!(fault.to_string(), "`max_ejected_percent` must be from 1 to 100, and is 0");
/// # Ok::<(), plugin_lb::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierConfig {
    consecutive_failures: Option<u32>,
    consecutive_unreached: Option<u32>,
    success_rate: Option<SuccessRate>,
    failure_rate: Option<FailureRate>,
    interval: Duration,
    ejection_time: Duration,
    max_ejection_time: Duration,
    max_ejected_percent: u32,
}

/// An instance whose share of successes is far below that of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRate {
    /// It is an outlier below the mean of all by so many standard deviations.
    pub deviations: f64,
    /// Instances that must have had enough calls; with fewer nobody is compared.
    pub min_instances: u32,
    /// Calls that an instance must have had in an interval.
    pub min_calls: u32,
}

/// An instance whose share of failures is large, whatever that of the others is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailureRate {
    /// It is an outlier with a larger share of failures than this, from 0.0 to 1.0.
    pub over: f64,
    /// Instances that must have had enough calls.
    pub min_instances: u32,
    /// Calls that an instance must have had in an interval.
    pub min_calls: u32,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { deviations: 1.9, min_instances: 5, min_calls: 100 }
    }
}

impl Default for FailureRate {
    fn default() -> Self {
        Self { over: 0.85, min_instances: 5, min_calls: 50 }
    }
}

/// Makes an [`OutlierConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct OutlierConfigBuilder(OutlierConfig);

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            consecutive_unreached: None,
            success_rate: None,
            failure_rate: None,
            interval: Duration::from_secs(10),
            ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejected_percent: 10,
        }
    }
}

impl OutlierConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> OutlierConfigBuilder {
        OutlierConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> OutlierConfigBuilder {
        OutlierConfigBuilder(self)
    }

    /// Failures one after the other that make an instance an outlier.
    #[must_use]
    pub fn consecutive_failures(&self) -> Option<u32> {
        self.consecutive_failures
    }

    /// Calls one after the other of which nothing could be sent, that make an instance an outlier.
    #[must_use]
    pub fn consecutive_unreached(&self) -> Option<u32> {
        self.consecutive_unreached
    }

    /// The comparison with the successes of others.
    #[must_use]
    pub fn success_rate(&self) -> Option<SuccessRate> {
        self.success_rate
    }

    /// The share of failures that is too large.
    #[must_use]
    pub fn failure_rate(&self) -> Option<FailureRate> {
        self.failure_rate
    }

    /// The time over which rates are taken.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long the first ejection lasts.
    #[must_use]
    pub fn ejection_time(&self) -> Duration {
        self.ejection_time
    }

    /// The longest that one lasts.
    #[must_use]
    pub fn max_ejection_time(&self) -> Duration {
        self.max_ejection_time
    }

    /// While so many of the instances in percent are ejected, no other is.
    #[must_use]
    pub fn max_ejected_percent(&self) -> u32 {
        self.max_ejected_percent
    }
}

impl OutlierConfigBuilder {
    /// Sets how many failures one after the other make an instance an outlier; `None` or 0: no number of them does.
    pub fn with_consecutive_failures(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.0.consecutive_failures = failures.into().filter(|failures| *failures > 0);
        self
    }

    /// Sets how many calls one after the other, of which nothing could be sent, make an instance an outlier. They are failures too.
    pub fn with_consecutive_unreached(mut self, calls: impl Into<Option<u32>>) -> Self {
        self.0.consecutive_unreached = calls.into().filter(|calls| *calls > 0);
        self
    }

    /// Compares the successes of the instances with each other.
    pub fn with_success_rate(mut self, rate: impl Into<Option<SuccessRate>>) -> Self {
        self.0.success_rate = rate.into();
        self
    }

    /// Bounds the share of failures of each instance.
    pub fn with_failure_rate(mut self, rate: impl Into<Option<FailureRate>>) -> Self {
        self.0.failure_rate = rate.into();
        self
    }

    /// Sets the time over which rates are taken.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.0.interval = interval;
        self
    }

    /// Sets how long the first ejection lasts. The second in a row lasts for twice this, the third for three times.
    pub fn with_ejection_time(mut self, time: Duration) -> Self {
        self.0.ejection_time = time;
        self
    }

    /// Sets the longest that one lasts; it is `ejection_time` at least.
    pub fn with_max_ejection_time(mut self, time: Duration) -> Self {
        self.0.max_ejection_time = time;
        self
    }

    /// Sets of how many instances in percent being ejected no other is. One of two or more can always be.
    pub fn with_max_ejected_percent(mut self, percent: u32) -> Self {
        self.0.max_ejected_percent = percent;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<OutlierConfig, ConfigError> {
        settings::fitting(self.0)
    }
}
