//! The settings of a health check.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// The settings of a health check. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_health::HealthConfig;
///
/// let config = HealthConfig::builder().with_interval(Duration::from_secs(10)).with_failure_limit(2).build()?;
/// assert_eq!(config.timeout(), Duration::from_secs(5)); // the default
///
/// let fault = HealthConfig::builder().with_jitter(2.0).build().expect_err("a share is at most 1");
/// assert_eq!(fault.to_string(), "`jitter` must be from 0 to 1, and is 2.0");
/// # Ok::<(), plugin_health::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealthConfig {
    interval: Duration,
    timeout: Duration,
    failure_limit: u32,
    success_limit: u32,
    jitter: f64,
    flap_window: Option<Duration>,
}

/// Makes a [`HealthConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct HealthConfigBuilder(HealthConfig);

pub(crate) const SHORTEST: Duration = Duration::from_millis(1);
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            failure_limit: 3,
            success_limit: 1,
            jitter: 0.1,
            flap_window: None,
        }
    }
}

impl HealthConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> HealthConfigBuilder {
        HealthConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> HealthConfigBuilder {
        HealthConfigBuilder(self)
    }

    /// One check is made in each interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long a check may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Failures in a row that make it Offline.
    #[must_use]
    pub fn failure_limit(&self) -> u32 {
        self.failure_limit
    }

    /// Successes in a row that bring it back.
    #[must_use]
    pub fn success_limit(&self) -> u32 {
        self.success_limit
    }

    /// The share of the interval by which a check may come late.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// What is Offline again within this time takes more successes to come back. `None`, the default: it does not.
    #[must_use]
    pub fn flap_window(&self) -> Option<Duration> {
        self.flap_window
    }
}

impl HealthConfigBuilder {
    /// Sets the interval.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.0.interval = interval;
        self
    }

    /// Sets how long a check may take.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Sets how many failures in a row make it Offline.
    pub fn with_failure_limit(mut self, limit: u32) -> Self {
        self.0.failure_limit = limit;
        self
    }

    /// Sets how many successes in a row bring it back.
    pub fn with_success_limit(mut self, limit: u32) -> Self {
        self.0.success_limit = limit;
        self
    }

    /// Sets the share of the interval by which a check may come late.
    pub fn with_jitter(mut self, share: f64) -> Self {
        self.0.jitter = share;
        self
    }

    /// Sets the time within which another fall makes the way back longer: see [flap damping](crate#flap-damping). `None`: it
    /// never does.
    pub fn with_flap_window(mut self, window: impl Into<Option<Duration>>) -> Self {
        self.0.flap_window = window.into();
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<HealthConfig, ConfigError> {
        settings::fitting(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(builder: HealthConfigBuilder) -> &'static str {
        builder.build().expect_err("out of bounds").field()
    }

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let config = HealthConfig::builder().build().expect("the defaults are valid");
        assert_eq!(config, HealthConfig::default());
        assert_eq!((config.interval().as_secs(), config.timeout().as_secs()), (30, 5));
        assert_eq!((config.failure_limit(), config.success_limit(), config.jitter()), (3, 1, 0.1));
        assert_eq!(config.flap_window(), None);
    }

    #[test]
    fn what_is_exactly_at_a_bound_is_taken_and_what_is_one_past_it_is_not() {
        let builder = HealthConfig::builder;
        let nano = Duration::from_nanos(1);
        for at in [SHORTEST, LONGEST] {
            assert!(builder().with_interval(at).with_timeout(at).with_flap_window(at).build().is_ok(), "{at:?}");
        }
        for past in [SHORTEST - nano, LONGEST + nano] {
            assert_eq!(field(builder().with_interval(past)), "interval");
            assert_eq!(field(builder().with_timeout(past)), "timeout");
            assert_eq!(field(builder().with_flap_window(past)), "flap_window");
        }
        assert!(builder().with_failure_limit(1).with_success_limit(1).build().is_ok());
        assert!(builder().with_failure_limit(u32::MAX).with_success_limit(u32::MAX).build().is_ok());
        for at in [0.0, 1.0] {
            assert!(builder().with_jitter(at).build().is_ok(), "{at}");
        }
        assert_eq!(field(builder().with_jitter(1.0 + f64::EPSILON)), "jitter");
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        for bad in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
            assert_eq!(field(HealthConfig::builder().with_interval(bad)), "interval");
            assert_eq!(field(HealthConfig::builder().with_timeout(bad)), "timeout");
        }
        assert_eq!(field(HealthConfig::builder().with_failure_limit(0)), "failure_limit");
        assert_eq!(field(HealthConfig::builder().with_success_limit(0)), "success_limit");
        for bad in [-0.1, 1.1, f64::NAN] {
            assert_eq!(field(HealthConfig::builder().with_jitter(bad)), "jitter");
        }
    }
}
