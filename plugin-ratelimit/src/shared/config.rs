//! The settings of a connection to Redis, and of what stands on it.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

use super::address::Address;

/// Where limits are kept that many instances share, and what holds while that is away. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds. Neither `Debug` nor an error shows a
/// password that is in the URL.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_ratelimit::RedisConfig;
///
/// let config = RedisConfig::builder("redis://:secret@cache.internal:6379/0").with_batch(50).build()?;
/// assert_eq!(config.timeout(), Duration::from_millis(50)); // the default
/// assert!(!format!("{config:?}").contains("secret"));
///
/// let fault = RedisConfig::builder("redis://a,b").build().expect_err("which of the two?");
/// assert_eq!(fault.to_string(), "`url` names several hosts, as `redis-cluster` or `redis-sentinel` would");
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RedisConfig {
    pub(super) address: Address,
    pub(super) prefix: String,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) recover_after: Duration,
    pub(super) expected_replicas: u32,
    pub(super) batch: u32,
    pub(super) max_keys: u32,
}

/// Makes a [`RedisConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RedisConfigBuilder(Result<RedisConfig, ConfigError>);

impl RedisConfig {
    /// A builder that starts with the defaults. See the [page of the crate](crate#defaults) for the forms of a URL.
    pub fn builder(url: &str) -> RedisConfigBuilder {
        let address = Address::parse(url).map_err(|problem| ConfigError::new("url", problem));
        RedisConfigBuilder(address.map(|address| Self {
            address,
            prefix: "ratelimit".to_owned(),
            timeout: Duration::from_millis(50),
            connect_timeout: Duration::from_secs(1),
            heartbeat: Duration::from_secs(2),
            recover_after: Duration::from_secs(1),
            expected_replicas: 1,
            batch: 1,
            max_keys: 10_000,
        }))
    }

    /// A builder that starts with these settings.
    pub fn to_builder(&self) -> RedisConfigBuilder {
        RedisConfigBuilder(Ok(self.clone()))
    }

    /// Where it is, without user and password.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether both are the same Redis and prefix, and so the same limits, whatever else they say: the user and the password, whether
    /// it is over TLS, and how the URL is written, such as with the port and database that are meant without. Clusters, and masters
    /// of one name behind sentinels, are the same where one of their hosts is. That two names are one host nobody asks here.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.address.is_same_place(&other.address) && self.prefix == other.prefix
    }

    /// What all keys in Redis begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The longest that one decision waits for Redis.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The longest that making a connection takes.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The time between two heartbeats.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// How long Redis must answer without a fault before it is trusted again.
    #[must_use]
    pub fn recover_after(&self) -> Duration {
        self.recover_after
    }

    /// The least number of instances that a share is counted for.
    #[must_use]
    pub fn expected_replicas(&self) -> u32 {
        self.expected_replicas
    }

    /// Tokens that are taken from Redis in one go at most.
    #[must_use]
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// Keys that something is remembered of on this instance.
    #[must_use]
    pub fn max_keys(&self) -> u32 {
        self.max_keys
    }
}

impl RedisConfigBuilder {
    fn set(mut self, set: impl FnOnce(&mut RedisConfig)) -> Self {
        if let Ok(config) = &mut self.0 {
            set(config);
        }
        self
    }

    /// Sets what all keys in Redis begin with. Instances with the same prefix share their limits, and are counted together.
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        self.set(|config| config.prefix = prefix.into())
    }

    /// Sets the longest that one decision waits for Redis; then this instance decides by its share.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.set(|config| config.timeout = timeout)
    }

    /// Sets the longest that making a connection takes. No decision waits for it but the first ones.
    pub fn with_connect_timeout(self, timeout: Duration) -> Self {
        self.set(|config| config.connect_timeout = timeout)
    }

    /// Sets the time between two heartbeats. An instance that was not heard of for three of them is not counted any more.
    pub fn with_heartbeat(self, interval: Duration) -> Self {
        self.set(|config| config.heartbeat = interval)
    }

    /// Sets how long Redis must answer without a fault, after one, before it decides again.
    pub fn with_recover_after(self, time: Duration) -> Self {
        self.set(|config| config.recover_after = time)
    }

    /// Sets the number of instances that are there at least. A share is never counted for fewer, also before any was heard of.
    pub fn with_expected_replicas(self, replicas: u32) -> Self {
        self.set(|config| config.expected_replicas = replicas)
    }

    /// Sets how many tokens of one key are taken from Redis in one go at most. One is exact.
    pub fn with_batch(self, batch: u32) -> Self {
        self.set(|config| config.batch = batch)
    }

    /// Sets how many keys something is remembered of on this instance.
    pub fn with_max_keys(self, keys: u32) -> Self {
        self.set(|config| config.max_keys = keys)
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When the URL cannot be used, or a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<RedisConfig, ConfigError> {
        let config = settings::fitting(self.0?)?;
        let is_plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '{' | '}');
        if config.prefix.is_empty() || config.prefix.len() > 64 || !config.prefix.chars().all(is_plain) {
            let problem = "must be 1 to 64 letters, digits or signs of ASCII, without spaces and without `{` and `}`";
            return Err(ConfigError::new("prefix", problem));
        }
        if config.connect_timeout < config.timeout {
            let problem = "must be at least as long as `timeout`";
            return Err(ConfigError::new("connect_timeout", problem).with_others(&["timeout"]));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> RedisConfigBuilder {
        RedisConfig::builder("redis://localhost")
    }

    fn field(builder: RedisConfigBuilder) -> &'static str {
        builder.build().expect_err("out of bounds").field()
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let (zero, long) = (Duration::ZERO, Duration::from_secs(61));
        assert_eq!(field(RedisConfig::builder("localhost").with_batch(0)), "url");
        assert_eq!(field(builder().with_timeout(zero)), "timeout");
        assert_eq!(field(builder().with_timeout(long)), "timeout");
        assert_eq!(field(builder().with_connect_timeout(zero)), "connect_timeout");
        assert_eq!(field(builder().with_connect_timeout(Duration::from_millis(49))), "connect_timeout");
        assert_eq!(field(builder().with_heartbeat(zero)), "heartbeat");
        assert_eq!(field(builder().with_recover_after(Duration::from_secs(3_601))), "recover_after");
        assert_eq!(field(builder().with_expected_replicas(0)), "expected_replicas");
        assert_eq!(field(builder().with_batch(0)), "batch");
        assert_eq!(field(builder().with_max_keys(0)), "max_keys");
        for prefix in ["", "a b", "a{b}", "é", &"a".repeat(65)] {
            assert_eq!(field(builder().with_prefix(prefix)), "prefix", "{prefix}");
        }
        assert!(builder().with_prefix("shop:limits").build().is_ok());
    }
}
