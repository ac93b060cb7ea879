//! Makes a rate limit service out of its rules.

use std::collections::HashMap;

use plugin_core::ConfigError;

use super::{
    super::unit,
    bounds::{LONGEST_TEXT, MOST_ENTRIES},
    buckets::Buckets,
    limits::{self, Limits, Rule},
    rule::EnvoyRule,
    service::EnvoyRateLimitServer,
    tree::Tree,
};
use crate::{KeyedRateLimitConfig, KeyedTokenBucket};
#[cfg(feature = "redis")]
use crate::{RedisStore, SharedBucket};

/// Makes an [`EnvoyRateLimitServer`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct EnvoyRateLimitServerBuilder {
    rules: Vec<EnvoyRule>,
    client_limits: bool,
    #[cfg(feature = "redis")]
    store: Option<RedisStore>,
}

impl EnvoyRateLimitServer {
    /// A builder, without a rule.
    pub fn builder() -> EnvoyRateLimitServerBuilder {
        EnvoyRateLimitServerBuilder::default()
    }
}

impl EnvoyRateLimitServerBuilder {
    /// Adds a rule.
    pub fn with_rule(mut self, rule: EnvoyRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds rules.
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = EnvoyRule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// Sets whether a descriptor's own limit holds in place of that of its rule. Off by default, since whoever may ask
    /// could then give himself any limit: allow it only where all who ask are yours. Each combination of entries and
    /// limit has a bucket of its own, in memory, of which 100000 are kept at once. One that lets nothing through (0
    /// requests) is always over.
    pub fn with_client_limits(mut self, allowed: bool) -> Self {
        self.client_limits = allowed;
        self
    }

    /// Keeps the buckets in Redis, so that several servers with the same rules are one service. While Redis is away
    /// each decides by its share, as [`SharedBucket`] does. A question is then two round trips for each descriptor that
    /// is under a rule: one takes, one reads what is left.
    #[cfg(feature = "redis")]
    pub fn with_store(mut self, store: &RedisStore) -> Self {
        self.store = Some(store.clone());
        self
    }

    /// The service.
    ///
    /// # Errors
    ///
    /// When a rule has no entry, more than 16, an empty domain or key, or a text of more than 1024 bytes; when its
    /// `max_keys` is out of bounds; when two rules have the same domain and entries. With a store, when descriptors may
    /// bring limits of their own: these would be kept by each server alone.
    pub fn build(self) -> Result<EnvoyRateLimitServer, ConfigError> {
        #[cfg(feature = "redis")]
        if self.client_limits && self.store.is_some() {
            return Err(ConfigError::new("client_limits", "cannot be allowed where the buckets are kept in Redis"));
        }
        let mut domains: HashMap<String, Tree<Rule>> = HashMap::new();
        for rule in &self.rules {
            check(rule)?;
            let made = Rule { buckets: self.buckets(rule)?, stated: unit::stated(rule.limit, &rule.name) };
            if !domains.entry(rule.domain.clone()).or_default().insert(&rule.entries, made) {
                return Err(ConfigError::new("entries", format!("two rules are for the same: {}", rule.identity())));
            }
        }
        let own = self.client_limits.then(limits::own_buckets);
        Ok(EnvoyRateLimitServer::over(Limits { domains, own }))
    }

    fn buckets(&self, rule: &EnvoyRule) -> Result<Buckets, ConfigError> {
        let config = KeyedRateLimitConfig::builder().with_limit(rule.limit).with_max_keys(rule.max_keys).build()?;
        #[cfg(feature = "redis")]
        if let Some(store) = &self.store {
            return Ok(Buckets::Shared(SharedBucket::new(store, rule.identity(), rule.limit)));
        }
        Ok(Buckets::Here(KeyedTokenBucket::new(config)))
    }
}

/// A rule that no question could meet is a mistake.
fn check(rule: &EnvoyRule) -> Result<(), ConfigError> {
    let fits = |text: &str| text.len() <= LONGEST_TEXT;
    if rule.domain.is_empty() || !fits(&rule.domain) {
        return Err(ConfigError::new("domain", format!("must be 1 to {LONGEST_TEXT} bytes")));
    }
    if rule.entries.is_empty() || rule.entries.len() > MOST_ENTRIES {
        return Err(ConfigError::new("entries", format!("must be 1 to {MOST_ENTRIES}")));
    }
    for (key, value) in &rule.entries {
        if key.is_empty() || !fits(key) || !value.as_deref().is_none_or(fits) {
            let problem = format!("must have keys of 1 to {LONGEST_TEXT} bytes, and values of at most as many");
            return Err(ConfigError::new("entries", problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RateLimitConfig;

    fn fault(rules: impl IntoIterator<Item = EnvoyRule>) -> ConfigError {
        EnvoyRateLimitServer::builder().with_rules(rules).build().expect_err("a rule that cannot be")
    }

    #[test]
    fn a_rule_that_cannot_be_is_named() {
        let rule = || EnvoyRule::new("a", RateLimitConfig::default());
        let long = "k".repeat(LONGEST_TEXT + 1);
        assert_eq!(fault([EnvoyRule::new("", RateLimitConfig::default()).with_any("k")]).field(), "domain");
        assert_eq!(fault([EnvoyRule::new(&long, RateLimitConfig::default()).with_any("k")]).field(), "domain");
        assert_eq!(fault([rule()]).field(), "entries");
        assert_eq!(fault([rule().with_any("")]).field(), "entries");
        assert_eq!(fault([rule().with_any(&long)]).field(), "entries");
        assert_eq!(fault([rule().with_entry("k", &long)]).field(), "entries");
        assert_eq!(fault([(0..=MOST_ENTRIES).fold(rule(), |rule, _| rule.with_any("k"))]).field(), "entries");
        assert_eq!(fault([rule().with_any("k").with_max_keys(0)]).field(), "max_keys");
        let twice = fault([rule().with_any("k"), rule().with_any("k")]);
        assert_eq!(twice.to_string(), "`entries` two rules are for the same: 1:a/1:k");
        let both = [rule().with_any("k"), rule().with_entry("k", "v")];
        assert!(EnvoyRateLimitServer::builder().with_rules(both).build().is_ok());
    }
}
