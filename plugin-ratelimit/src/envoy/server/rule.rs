//! A rule: which descriptors it is for, and what it allows.

use crate::RateLimitConfig;

/// The keys that one rule keeps a bucket for at once.
const MAX_KEYS: u32 = 100_000;

/// A limit for descriptors with these keys, in this order. Each combination of the values that a rule leaves open has a
/// bucket of its own.
///
/// A descriptor is under the rule that has as many entries as it has, and the same keys. At each entry, a rule that
/// names the descriptor's value goes before one that takes any, and from there on only rules that begin with it are
/// looked at, as in the nested configuration of Envoy's own service.
///
/// ```
/// use plugin_ratelimit::{RateLimitConfig, envoy::EnvoyRule};
///
/// let limit = RateLimitConfig::builder().with_requests_per_second(5.0).with_burst_size(10).build()?;
/// // Each user's searches, at most a million users at once.
/// let each = EnvoyRule::new("shop", limit).with_entry("path", "/search").with_any("user").with_max_keys(1_000_000);
/// # drop(each);
/// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until a server has it"]
pub struct EnvoyRule {
    pub(super) domain: String,
    /// The key, and the value if it takes no other.
    pub(super) entries: Vec<(String, Option<String>)>,
    pub(super) limit: RateLimitConfig,
    pub(super) max_keys: u32,
    pub(super) name: String,
}

impl EnvoyRule {
    /// A limit in this domain. Which descriptors it is for is said entry by entry; a server takes no rule without one.
    pub fn new(domain: impl Into<String>, limit: RateLimitConfig) -> Self {
        Self { domain: domain.into(), entries: Vec::new(), limit, max_keys: MAX_KEYS, name: String::new() }
    }

    /// Adds an entry with this key and this value.
    pub fn with_entry(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.entries.push((key.into(), Some(value.into())));
        self
    }

    /// Adds an entry with this key and any value. Each value has a bucket of its own.
    pub fn with_any(mut self, key: impl Into<String>) -> Self {
        self.entries.push((key.into(), None));
        self
    }

    /// Sets how many buckets are kept at once, as [`KeyedRateLimitConfig`](crate::KeyedRateLimitConfig) has it: from 1
    /// to 10000000, 100000 by default. In Redis there is no such bound.
    pub fn with_max_keys(mut self, keys: u32) -> Self {
        self.max_keys = keys;
        self
    }

    /// Sets the name that answers tell with the limit. None by default.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What tells this rule from all others, wherever it is written down.
    pub(super) fn identity(&self) -> String {
        let mut identity = joined([self.domain.as_str()]);
        for (key, value) in &self.entries {
            identity.push('/');
            identity.push_str(&joined([key.as_str()]));
            if let Some(value) = value {
                identity.push('=');
                identity.push_str(&joined([value.as_str()]));
            }
        }
        identity
    }
}

/// Texts as one, so that no two lists of them become the same: each with its length before it.
pub(super) fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for text in texts {
        joined.push_str(&text.len().to_string());
        joined.push(':');
        joined.push_str(text);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_of_values_are_one_key() {
        assert_ne!(joined(["a", "bc"]), joined(["ab", "c"]));
        assert_ne!(joined(["1:a", ""]), joined(["1", "a"]));
        assert_ne!(joined(["a"]), joined(["a", ""]));
        let rule = || EnvoyRule::new("d", RateLimitConfig::default());
        assert_ne!(rule().with_any("k").identity(), rule().with_entry("k", "").identity());
        assert_ne!(rule().with_entry("a", "b=1:c").identity(), rule().with_entry("a", "b").identity());
    }
}
