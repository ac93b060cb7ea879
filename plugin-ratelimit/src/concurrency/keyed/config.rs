//! The settings of a concurrency limit per key.

use plugin_core::{ConfigError, settings};

use crate::WithoutKey;

/// The settings of a concurrency limit that counts the calls of each key. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_ratelimit::{WithoutKey, concurrency::KeyedConcurrencyLimitConfig};
///
/// let config = KeyedConcurrencyLimitConfig::builder().with_max(5).with_without_key(WithoutKey::Refuse).build()?;
/// assert_eq!((config.max(), config.max_keys()), (5, 100_000));
///
/// let fault = KeyedConcurrencyLimitConfig::builder().with_max(0).build().expect_err("nothing would ever pass");
/// assert_eq!(fault.to_string(), "`max` must be from 1 to 1000000, and is 0");
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedConcurrencyLimitConfig {
    max: u32,
    max_keys: u32,
    without_key: WithoutKey,
}

/// Makes a [`KeyedConcurrencyLimitConfig`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct KeyedConcurrencyLimitConfigBuilder(KeyedConcurrencyLimitConfig);

impl Default for KeyedConcurrencyLimitConfig {
    fn default() -> Self {
        Self { max: 10, max_keys: 100_000, without_key: WithoutKey::Shared }
    }
}

impl KeyedConcurrencyLimitConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> KeyedConcurrencyLimitConfigBuilder {
        KeyedConcurrencyLimitConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> KeyedConcurrencyLimitConfigBuilder {
        KeyedConcurrencyLimitConfigBuilder(self)
    }

    /// What was valid before it was taken apart.
    pub(super) const fn of(max: u32, max_keys: u32, without_key: WithoutKey) -> Self {
        Self { max, max_keys, without_key }
    }

    /// Calls of one key that may be in flight at once.
    #[must_use]
    pub fn max(&self) -> u32 {
        self.max
    }

    /// What becomes of a request that has no key.
    #[must_use]
    pub fn without_key(&self) -> WithoutKey {
        self.without_key
    }

    /// The most keys that are counted at once.
    #[must_use]
    pub fn max_keys(&self) -> u32 {
        self.max_keys
    }
}

impl KeyedConcurrencyLimitConfigBuilder {
    /// Sets how many calls of one key may be in flight at once.
    pub fn with_max(mut self, max: u32) -> Self {
        self.0.max = max;
        self
    }

    /// Sets what becomes of a request that has no key.
    pub fn with_without_key(mut self, without_key: WithoutKey) -> Self {
        self.0.without_key = without_key;
        self
    }

    /// Sets the most keys that are counted at once, for the whole life of the limit: live settings do not change it. Memory is
    /// taken as keys come.
    pub fn with_max_keys(mut self, keys: u32) -> Self {
        self.0.max_keys = keys;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<KeyedConcurrencyLimitConfig, ConfigError> {
        settings::fitting(self.0)
    }
}
