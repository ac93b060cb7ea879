//! The handle of a stack's rate limit, whatever kind of limit it is.

use std::sync::Arc;

use plugin_ratelimit::{KeyedRateLimitHandle, RateLimitConfig, RateLimitHandle, SharedBucket};

/// The handle of a rate limit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RateLimitControl {
    /// One limit for all calls, on this machine.
    Plain(RateLimitHandle),
    /// A limit for each key, on this machine.
    Keyed(KeyedRateLimitHandle<Arc<str>>, LimitedKeys),
    /// One limit over many machines, for all calls or for each key.
    Shared(SharedBucket, Option<LimitedKeys>),
}

/// What has a limit of its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LimitedKeys {
    /// By what calls are told apart, as a configuration has it: `client`, `ip`, `header:x-plugin-tenant`.
    pub by: Arc<str>,
    /// Keys that have another limit than all have.
    pub plans: Arc<[(Arc<str>, RateLimitConfig)]>,
}

impl LimitedKeys {
    /// By this, and with these plans.
    #[must_use]
    pub fn new(by: impl Into<Arc<str>>, plans: impl Into<Arc<[(Arc<str>, RateLimitConfig)]>>) -> Self {
        Self { by: by.into(), plans: plans.into() }
    }
}

impl RateLimitControl {
    /// Whether calls are limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        match self {
            Self::Plain(handle) => handle.is_enabled(),
            Self::Keyed(handle, _) => handle.is_enabled(),
            Self::Shared(bucket, _) => bucket.is_enabled(),
        }
    }

    /// The limit: of all calls, or of those of each key.
    #[must_use]
    pub fn limit(&self) -> RateLimitConfig {
        match self {
            Self::Plain(handle) => handle.config(),
            Self::Keyed(handle, _) => handle.config().limit(),
            Self::Shared(bucket, _) => bucket.config(),
        }
    }

    /// What has a limit of its own, where each key has one.
    #[must_use]
    pub fn keys(&self) -> Option<&LimitedKeys> {
        match self {
            Self::Plain(_) => None,
            Self::Keyed(_, keys) => Some(keys),
            Self::Shared(_, keys) => keys.as_ref(),
        }
    }

    /// Calls that were let through while it was enabled, and calls that were refused.
    #[must_use]
    pub fn decisions(&self) -> (u64, u64) {
        match self {
            Self::Plain(handle) => {
                let stats = handle.stats();
                (stats.allowed, stats.refused)
            }
            Self::Keyed(handle, _) => {
                let stats = handle.stats();
                (stats.allowed, stats.refused)
            }
            Self::Shared(bucket, _) => {
                let stats = bucket.stats();
                (stats.allowed, stats.refused)
            }
        }
    }
}
