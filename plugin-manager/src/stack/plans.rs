//! Limits of single keys.

use std::{collections::HashMap, sync::Arc};

use plugin_ratelimit::RateLimitConfig;

/// What some keys may do, where it is not what all may: the limits of clients or tenants who pay for more. Clones share them.
///
/// ```
/// use plugin_manager::stack::Plans;
/// use plugin_ratelimit::RateLimitConfig;
///
/// let paid = RateLimitConfig::builder().with_requests_per_second(100.0).with_burst_size(200).build()?;
/// let plans = Plans::new().with("acme", paid);
/// assert_eq!(plans.of("acme"), Some(paid));
/// assert_eq!(plans.of("globex"), None); // has the limit that all have
/// # Ok::<(), plugin_manager::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plans(Arc<HashMap<Arc<str>, RateLimitConfig>>);

impl Plans {
    /// No key has a limit of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives this key a limit of its own.
    #[must_use]
    pub fn with(mut self, key: &str, limit: RateLimitConfig) -> Self {
        Arc::make_mut(&mut self.0).insert(key.into(), limit);
        self
    }

    /// The limit of this key, if it has one of its own.
    #[must_use]
    pub fn of(&self, key: &str) -> Option<RateLimitConfig> {
        self.0.get(key).copied()
    }

    /// The keys that have a limit of their own, in their order, with it.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<str>, RateLimitConfig)> {
        let mut all: Vec<_> = self.0.iter().map(|(key, limit)| (Arc::clone(key), *limit)).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// Whether no key has a limit of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
