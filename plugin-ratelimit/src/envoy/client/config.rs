//! The settings of the layer that asks a rate limit service.

use std::time::Duration;

use plugin_core::{ConfigError, settings};

/// The longest domain, in bytes.
const LONGEST_DOMAIN: usize = 256;

/// How a rate limit service is asked, and what holds while it does not answer. A value that exists is valid.
///
/// The [page of the crate](crate#defaults) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_ratelimit::envoy::{EnvoyOnFailure, EnvoyRateLimitConfig};
///
/// let config = EnvoyRateLimitConfig::builder("shop").build()?;
/// assert_eq!(config.timeout(), Duration::from_millis(20));
/// assert_eq!(config.on_failure(), EnvoyOnFailure::Admit);
///
/// let fault = EnvoyRateLimitConfig::builder("").build().expect_err("which rules?");
/// assert_eq!(fault.to_string(), "`domain` is not right: the string is empty");
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoyRateLimitConfig {
    domain: String,
    timeout: Duration,
    on_failure: EnvoyOnFailure,
}

/// Makes an [`EnvoyRateLimitConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct EnvoyRateLimitConfigBuilder(EnvoyRateLimitConfig);

/// What becomes of a request when the rate limit service does not say anything of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvoyOnFailure {
    /// It passes, as in Envoy with `failure_mode_deny: false`.
    #[default]
    Admit,
    /// It is refused with `OVERLOAD_2003`: 503 over HTTP. Not with the code of a limit, which nobody has found used up.
    Refuse,
}

impl EnvoyOnFailure {
    /// The words that configuration files have for them.
    pub(super) const WORDS: &'static [&'static str] = &["admit", "refuse"];

    pub(super) const fn as_word(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Refuse => "refuse",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Admit, Self::Refuse].into_iter().find(|on_failure| on_failure.as_word() == word)
    }
}

impl EnvoyRateLimitConfig {
    /// A builder that starts with the defaults, for the rules of this domain.
    pub fn builder(domain: impl Into<String>) -> EnvoyRateLimitConfigBuilder {
        EnvoyRateLimitConfigBuilder(Self {
            domain: domain.into(),
            timeout: Duration::from_millis(20),
            on_failure: EnvoyOnFailure::Admit,
        })
    }

    /// A builder that starts with these settings.
    pub fn to_builder(&self) -> EnvoyRateLimitConfigBuilder {
        EnvoyRateLimitConfigBuilder(self.clone())
    }

    /// The set of rules that the service is asked for.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The longest that one question takes.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What becomes of a request that the service says nothing of.
    #[must_use]
    pub fn on_failure(&self) -> EnvoyOnFailure {
        self.on_failure
    }
}

impl EnvoyRateLimitConfigBuilder {
    /// Sets the longest that one question takes, a connection that is being made included.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Sets what becomes of a request that the service says nothing of.
    pub fn with_on_failure(mut self, on_failure: EnvoyOnFailure) -> Self {
        self.0.on_failure = on_failure;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#defaults).
    pub fn build(self) -> Result<EnvoyRateLimitConfig, ConfigError> {
        let config = settings::fitting(self.0)?;
        if config.domain.is_empty() || config.domain.len() > LONGEST_DOMAIN {
            return Err(ConfigError::new("domain", format!("must be 1 to {LONGEST_DOMAIN} bytes")));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(builder: EnvoyRateLimitConfigBuilder) -> &'static str {
        builder.build().expect_err("out of bounds").field()
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let builder = || EnvoyRateLimitConfig::builder("a");
        assert_eq!(field(EnvoyRateLimitConfig::builder("")), "domain");
        assert_eq!(field(EnvoyRateLimitConfig::builder("a".repeat(257))), "domain");
        assert!(EnvoyRateLimitConfig::builder("a".repeat(256)).build().is_ok());
        assert_eq!(field(builder().with_timeout(Duration::ZERO)), "timeout");
        assert_eq!(field(builder().with_timeout(Duration::from_secs(61))), "timeout");
        assert!(builder().with_timeout(Duration::from_secs(60)).build().is_ok());
    }
}
