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
    Keyed(KeyedRateLimitHandle<Arc<str>>),
    /// One limit over many machines, for all calls or for each key.
    Shared(SharedBucket),
}

impl RateLimitControl {
    /// Whether calls are limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        match self {
            Self::Plain(handle) => handle.is_enabled(),
            Self::Keyed(handle) => handle.is_enabled(),
            Self::Shared(bucket) => bucket.is_enabled(),
        }
    }

    /// The limit: of all calls, or of those of each key.
    #[must_use]
    pub fn limit(&self) -> RateLimitConfig {
        match self {
            Self::Plain(handle) => handle.config(),
            Self::Keyed(handle) => handle.config().limit(),
            Self::Shared(bucket) => bucket.config(),
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
            Self::Keyed(handle) => {
                let stats = handle.stats();
                (stats.allowed, stats.refused)
            }
            Self::Shared(bucket) => {
                let stats = bucket.stats();
                (stats.allowed, stats.refused)
            }
        }
    }
}
