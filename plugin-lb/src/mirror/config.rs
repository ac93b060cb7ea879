//! The settings of a mirror.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// The settings of a [`MirrorLayer`](crate::MirrorLayer). A value that exists is valid.
///
/// The [page of the crate](crate#mirroring) has the keys, with their defaults and bounds.
///
/// With the feature `serde` it is read and written as a configuration file has it.
///
/// ```
/// use plugin_lb::MirrorConfig;
///
/// let config = MirrorConfig::builder().with_percent(2.5).with_max_in_flight(20).build()?;
/// assert_eq!((config.percent(), config.timeout().as_secs()), (2.5, 10));
///
/// let fault = MirrorConfig::builder().with_percent(101.0).build().expect_err("more than all");
/// assert_eq!(fault.field(), "percent");
/// # Ok::<(), plugin_lb::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MirrorConfig {
    percent: f64,
    max_in_flight: usize,
    timeout: Duration,
}

/// Makes a [`MirrorConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MirrorConfigBuilder(MirrorConfig);

impl Default for MirrorConfig {
    fn default() -> Self {
        Self { percent: 100.0, max_in_flight: 100, timeout: Duration::from_secs(10) }
    }
}

impl MirrorConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> MirrorConfigBuilder {
        MirrorConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> MirrorConfigBuilder {
        MirrorConfigBuilder(self)
    }

    /// The share of the calls that are copied, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.percent
    }

    /// The share of the calls that are copied, in hundredths of a percent: from 0 to 10,000.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 10,000")]
    pub(super) fn hundredths(&self) -> u32 {
        let hundredths = (self.percent * 100.0).round() as u32;
        // Somebody asked for a few.
        if self.percent > 0.0 { hundredths.max(1) } else { 0 }
    }

    /// The most copies that are in flight at once.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    /// How long a copy may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl MirrorConfigBuilder {
    /// Sets the share of the calls that are copied, in percent, to the hundredth.
    pub fn with_percent(mut self, percent: f64) -> Self {
        self.0.percent = percent;
        self
    }

    /// Sets the most copies that are in flight at once. Further ones are not made.
    pub fn with_max_in_flight(mut self, max: usize) -> Self {
        self.0.max_in_flight = max;
        self
    }

    /// Sets how long a copy may take, where its call has not less time.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#mirroring).
    pub fn build(self) -> Result<MirrorConfig, ConfigError> {
        settings::fitting(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_to_the_hundredth_and_a_tiny_one_is_not_none() {
        let hundredths = |percent| MirrorConfig::builder().with_percent(percent).build().expect("valid").hundredths();
        let shares = [(0.0, 0), (0.0001, 1), (0.01, 1), (2.5, 250), (33.33, 3333), (99.999, 10_000), (100.0, 10_000)];
        for (percent, expected) in shares {
            assert_eq!(hundredths(percent), expected, "{percent}");
        }
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let field = |builder: MirrorConfigBuilder| builder.build().expect_err("out of bounds").field();
        for percent in [-0.1, 100.1, f64::NAN] {
            assert_eq!(field(MirrorConfig::builder().with_percent(percent)), "percent");
        }
        assert_eq!(field(MirrorConfig::builder().with_max_in_flight(0)), "max_in_flight");
        assert_eq!(field(MirrorConfig::builder().with_timeout(Duration::ZERO)), "timeout");
    }
}
