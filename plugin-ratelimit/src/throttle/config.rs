//! The settings of a throttle.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// The settings of a throttle at the caller. A value that exists is valid.
///
/// The [page of the crate](crate#throttling-at-the-caller) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_ratelimit::throttle::AdaptiveThrottleConfig;
///
/// let config = AdaptiveThrottleConfig::builder().with_multiplier(1.5).build()?;
/// assert_eq!(config.window().as_secs(), 120); // the default
///
/// let fault = AdaptiveThrottleConfig::builder().with_multiplier(0.5).build().expect_err("below one");
/// assert_eq!(fault.to_string(), "`multiplier` must be from 1 to 100, and is 0.5");
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveThrottleConfig {
    multiplier: f64,
    window: Duration,
}

/// Makes an [`AdaptiveThrottleConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct AdaptiveThrottleConfigBuilder(AdaptiveThrottleConfig);

impl Default for AdaptiveThrottleConfig {
    fn default() -> Self {
        Self { multiplier: 2.0, window: Duration::from_secs(120) }
    }
}

impl AdaptiveThrottleConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> AdaptiveThrottleConfigBuilder {
        AdaptiveThrottleConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> AdaptiveThrottleConfigBuilder {
        AdaptiveThrottleConfigBuilder(self)
    }

    /// How many requests may be made for each that is accepted, before some are refused here.
    #[must_use]
    pub fn multiplier(&self) -> f64 {
        self.multiplier
    }

    /// For how long requests are remembered.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }
}

impl AdaptiveThrottleConfigBuilder {
    /// Sets how many requests may be made for each that is accepted, before some are refused here. With a smaller number fewer
    /// requests reach a service that turns them away, and it takes longer to notice that it no longer does.
    pub fn with_multiplier(mut self, multiplier: f64) -> Self {
        self.0.multiplier = multiplier;
        self
    }

    /// Sets for how long requests are remembered. After an outage of the service some windows pass until everything is sent to it:
    /// the time in which about a hundred requests are made is long enough.
    pub fn with_window(mut self, window: Duration) -> Self {
        self.0.window = window;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#throttling-at-the-caller).
    pub fn build(self) -> Result<AdaptiveThrottleConfig, ConfigError> {
        settings::fitting(self.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_bounds_is_named_and_one_at_its_bound_is_taken() {
        let builder = AdaptiveThrottleConfig::builder;
        let fault = |builder: AdaptiveThrottleConfigBuilder| builder.build().expect_err("out of bounds").field();
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        assert!(builder().with_multiplier(1.0).with_window(second).build().is_ok());
        assert!(builder().with_multiplier(100.0).with_window(hour).build().is_ok());
        for multiplier in [0.0, 0.99, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(fault(builder().with_multiplier(multiplier)), "multiplier");
        }
        for window in [Duration::ZERO, second - Duration::from_nanos(1), hour + Duration::from_nanos(1)] {
            assert_eq!(fault(builder().with_window(window)), "window");
        }
    }
}
