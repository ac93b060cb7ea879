//! For how long the last good set is kept.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// For how long the last good set is kept once its source has nothing as good. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::DiscoveryConfig;
///
/// let config = DiscoveryConfig::builder().with_keep_empty_for(Duration::from_secs(30)).build()?;
/// assert_eq!(config.keep_for(), None); // the default: for ever
///
/// let fault = DiscoveryConfig::builder().with_keep_for(Duration::ZERO).build().expect_err("no time");
/// assert_eq!(fault.to_string(), "`keep_for` must be longer than zero, and is 0s");
/// # Ok::<(), plugin_discovery::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    keep_empty_for: Duration,
    keep_for: Option<Duration>,
}

/// Makes a [`DiscoveryConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct DiscoveryConfigBuilder(DiscoveryConfig);

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { keep_empty_for: Duration::from_secs(300), keep_for: None }
    }
}

impl DiscoveryConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> DiscoveryConfigBuilder {
        DiscoveryConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> DiscoveryConfigBuilder {
        DiscoveryConfigBuilder(self)
    }

    /// For how long the last good set is kept while the source says that there is no instance, or no such service.
    #[must_use]
    pub fn keep_empty_for(&self) -> Duration {
        self.keep_empty_for
    }

    /// For how long the last good set is kept while the source says nothing that can be used. `None`: for ever.
    #[must_use]
    pub fn keep_for(&self) -> Option<Duration> {
        self.keep_for
    }
}

impl DiscoveryConfigBuilder {
    /// Sets for how long the last good set is kept while the source says that there is no instance, or no such service.
    /// Zero: it is believed at once. 5 minutes unless set.
    pub fn with_keep_empty_for(mut self, time: Duration) -> Self {
        self.0.keep_empty_for = time;
        self
    }

    /// Sets for how long the last good set is kept while the source says nothing that can be used. Longer than zero;
    /// for ever unless set.
    pub fn with_keep_for(mut self, time: Duration) -> Self {
        self.0.keep_for = Some(time);
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<DiscoveryConfig, ConfigError> {
        settings::fitting(self.0)
    }
}
