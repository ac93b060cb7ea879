//! The settings of a cache.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// Settings of a [`CacheLayer`](super::CacheLayer).
///
/// The [page of the crate](crate#settings-of-the-cache) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_fallback::cache::CacheConfig;
///
/// let config = CacheConfig::builder().with_ttl(Duration::from_secs(10)).build()?;
/// assert_eq!(config.max_entries(), 10_000); // the default
///
/// let fault = CacheConfig::builder().with_ttl(Duration::ZERO).build().expect_err("nothing would be kept");
/// assert_eq!(fault.to_string(), "`ttl` must be longer than zero, and is 0s");
/// # Ok::<(), plugin_fallback::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    ttl: Duration,
    max_entries: u64,
    stale_if_error: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(60), max_entries: 10_000, stale_if_error: Duration::ZERO }
    }
}

impl CacheConfig {
    /// Settings that begin with the defaults.
    pub fn builder() -> CacheConfigBuilder {
        CacheConfigBuilder { config: Self::default() }
    }

    /// How long an answer is served without asking the service.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The most answers that are kept.
    #[must_use]
    pub fn max_entries(&self) -> u64 {
        self.max_entries
    }

    /// How long after its time to live an answer is served in place of a failure.
    #[must_use]
    pub fn stale_if_error(&self) -> Duration {
        self.stale_if_error
    }
}

/// Makes a [`CacheConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CacheConfigBuilder {
    config: CacheConfig,
}

impl CacheConfigBuilder {
    /// How long an answer is served without asking the service. More than 0 (to keep nothing, leave the layer out); 60 s unless
    /// set.
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.config.ttl = ttl;
        self
    }

    /// The most answers that are kept. At least 1; 10,000 unless set.
    pub fn with_max_entries(mut self, entries: u64) -> Self {
        self.config.max_entries = entries;
        self
    }

    /// How long after its time to live an answer is served in place of a failure. 0, which is off, unless set.
    pub fn with_stale_if_error(mut self, time: Duration) -> Self {
        self.config.stale_if_error = time;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When a field is outside of its bounds; the error names it.
    pub fn build(self) -> Result<CacheConfig, ConfigError> {
        settings::fitting(self.config)
    }
}
