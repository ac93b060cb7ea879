//! The settings of a limit per key.

use plugin_core::{ConfigError, settings};

use crate::{RateLimitConfig, WithoutKey};

/// The settings of a rate limit that keeps a bucket for each key. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds. A [`RateLimitConfig`] becomes one
/// with the other defaults by `into()`.
///
/// ```
/// use plugin_ratelimit::{KeyedRateLimitConfig, RateLimitConfig, WithoutKey};
///
/// let each = RateLimitConfig::builder().with_requests_per_second(5.0).with_burst_size(10).build()?;
/// let config = KeyedRateLimitConfig::builder()
///     .with_limit(each)
///     .with_max_keys(50_000)
///     .with_without_key(WithoutKey::Refuse)
///     .build()?;
/// assert_eq!(config.limit().burst_size(), 10);
///
/// let fault = KeyedRateLimitConfig::builder().with_max_keys(0).build().expect_err("no key would have a place");
/// assert_eq!(fault.to_string(), "`max_keys` must be from 1 to 10000000, and is 0");
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyedRateLimitConfig {
    limit: RateLimitConfig,
    max_keys: u32,
    without_key: WithoutKey,
}

/// Makes a [`KeyedRateLimitConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct KeyedRateLimitConfigBuilder(KeyedRateLimitConfig);

impl Default for KeyedRateLimitConfig {
    fn default() -> Self {
        Self { limit: RateLimitConfig::default(), max_keys: 100_000, without_key: WithoutKey::Shared }
    }
}

impl From<RateLimitConfig> for KeyedRateLimitConfig {
    fn from(limit: RateLimitConfig) -> Self {
        Self { limit, ..Self::default() }
    }
}

impl KeyedRateLimitConfig {
    /// The largest `max_keys`.
    pub const MOST_KEYS: u32 = 10_000_000;

    /// A builder that starts with the defaults.
    pub fn builder() -> KeyedRateLimitConfigBuilder {
        KeyedRateLimitConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> KeyedRateLimitConfigBuilder {
        KeyedRateLimitConfigBuilder(self)
    }

    /// These settings for a table that was made for so many keys.
    pub(super) const fn of_table(mut self, max_keys: u32) -> Self {
        self.max_keys = max_keys;
        self
    }

    /// What each key may do.
    #[must_use]
    pub fn limit(&self) -> RateLimitConfig {
        self.limit
    }

    /// The most keys that are kept at once.
    #[must_use]
    pub fn max_keys(&self) -> u32 {
        self.max_keys
    }

    /// What becomes of a request that has no key.
    #[must_use]
    pub fn without_key(&self) -> WithoutKey {
        self.without_key
    }
}

impl KeyedRateLimitConfigBuilder {
    /// Sets what each key may do, unless it has settings of its own.
    pub fn with_limit(mut self, limit: RateLimitConfig) -> Self {
        self.0.limit = limit;
        self
    }

    /// Sets the most keys that are kept at once, for the whole life of the table: live settings do not change it. Memory is
    /// taken as keys come that owe something: 32 bytes for a key of eight, and what it holds on the heap.
    pub fn with_max_keys(mut self, keys: u32) -> Self {
        self.0.max_keys = keys;
        self
    }

    /// Sets what becomes of a request that has no key.
    pub fn with_without_key(mut self, without_key: WithoutKey) -> Self {
        self.0.without_key = without_key;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<KeyedRateLimitConfig, ConfigError> {
        settings::fitting(self.0)
    }
}
