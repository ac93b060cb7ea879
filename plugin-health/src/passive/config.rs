//! The settings of evidence from traffic.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// The settings of evidence from traffic. A value that exists is valid.
///
/// The [page of the crate](crate#evidence-from-traffic) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_health::PassiveHealthConfig;
///
/// let config = PassiveHealthConfig::builder().with_failures(3).build()?;
/// assert_eq!(config.pace().as_secs(), 1); // the default
///
/// let fault = PassiveHealthConfig::builder().with_failures(0).build().expect_err("none is no evidence");
/// assert_eq!(fault.to_string(), "`failures` must be from 1 to 1000000, and is 0");
/// # Ok::<(), plugin_health::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassiveHealthConfig {
    failures: u32,
    pace: Duration,
}

/// Makes a [`PassiveHealthConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct PassiveHealthConfigBuilder(PassiveHealthConfig);

impl Default for PassiveHealthConfig {
    fn default() -> Self {
        Self { failures: 5, pace: Duration::from_secs(1) }
    }
}

impl PassiveHealthConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> PassiveHealthConfigBuilder {
        PassiveHealthConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> PassiveHealthConfigBuilder {
        PassiveHealthConfigBuilder(self)
    }

    /// Calls that fail in a row before a check is made.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The shortest time between two checks that calls ask for.
    #[must_use]
    pub fn pace(&self) -> Duration {
        self.pace
    }
}

impl PassiveHealthConfigBuilder {
    /// Sets how many calls in a row fail before a check is made.
    pub fn with_failures(mut self, failures: u32) -> Self {
        self.0.failures = failures;
        self
    }

    /// Sets the shortest time between two checks that calls ask for. After a check that calls asked for and that failed, the next
    /// comes after this time too, and then after twice as long each time, until it is well again or the interval is shorter.
    pub fn with_pace(mut self, pace: Duration) -> Self {
        self.0.pace = pace;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#evidence-from-traffic).
    pub fn build(self) -> Result<PassiveHealthConfig, ConfigError> {
        settings::fitting(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_bounds_is_named_and_one_at_its_bound_is_taken() {
        let builder = PassiveHealthConfig::builder;
        let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(365 * 24 * 60 * 60));
        assert!(builder().with_failures(1).with_pace(shortest).build().is_ok());
        assert!(builder().with_failures(1_000_000).with_pace(longest).build().is_ok());
        let fault = |builder: PassiveHealthConfigBuilder| builder.build().expect_err("out of bounds").field();
        assert_eq!(fault(builder().with_failures(1_000_001)), "failures");
        for pace in [Duration::ZERO, shortest - Duration::from_nanos(1), longest + Duration::from_nanos(1)] {
            assert_eq!(fault(builder().with_pace(pace)), "pace");
        }
    }
}
