//! What a key may do: what all may, or what a function says of it.

use std::sync::{PoisonError, RwLock};

use crate::{RateLimitConfig, gcra::Limit};

/// What a key may do, where it is not what all may.
pub(super) type Limits = Box<dyn Fn(&str) -> Option<RateLimitConfig> + Send + Sync>;

/// What one key may do at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) limit: Limit,
    /// Whether it is this key's own, and not that of all keys.
    pub(super) is_own: bool,
}

/// The settings of a name's buckets.
pub(super) struct AllTerms {
    config: RwLock<RateLimitConfig>,
    limits: Option<Limits>,
}

impl AllTerms {
    pub(super) fn new(config: RateLimitConfig, limits: Option<Limits>) -> Self {
        Self { config: RwLock::new(config), limits }
    }

    pub(super) fn config(&self) -> RateLimitConfig {
        *self.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reconfigure(&self, config: RateLimitConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The function is a user's: no lock is held while it runs.
    pub(super) fn of(&self, key: &str) -> Terms {
        match self.limits.as_ref().and_then(|limits| limits(key)) {
            Some(own) => Terms { limit: own.limit(), is_own: true },
            None => Terms { limit: self.config().limit(), is_own: false },
        }
    }
}
