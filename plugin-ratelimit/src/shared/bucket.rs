//! A bucket that many instances take from.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use plugin_core::{Quota, Rejected};

use super::{
    RedisStore, SharedStatus,
    decision::Buckets,
    terms::{AllTerms, Limits},
};
use crate::RateLimitConfig;

/// Buckets of tokens, one for each key, that all instances with the same Redis, prefix and name take from. Every clone is the
/// same.
///
/// A decision is one round trip to Redis, or none: while tokens lie in reserve ([`with_batch`]), while it is known that the
/// request cannot fit yet, and while Redis is away. It waits for the setting [`timeout`] at most, and no request is refused
/// because Redis is away: the instance then lets its share of the limit through.
///
/// It refuses and does not wait: a line that many machines stand in would need a turn for each of them, and one that goes
/// away would hold up the others.
///
/// ```no_run
/// use plugin_ratelimit::{RateLimitConfig, RedisConfig, RedisStore, SharedBucket};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::new(RedisConfig::builder("redis://cache.internal:6379").build()?);
/// let config = RateLimitConfig::builder().with_requests_per_second(100.0).with_burst_size(200).build()?;
/// let bucket = SharedBucket::new(&store, "search", config);
///
/// if let Err(refused) = bucket.try_acquire("tenant-7", 1).await {
///     println!("come back in {:?}", refused.retry_after());
/// }
/// # Ok(())
/// # }
/// ```
///
/// [`with_batch`]: super::RedisConfigBuilder::with_batch
/// [`timeout`]: super::RedisConfigBuilder::with_timeout
#[derive(Clone)]
pub struct SharedBucket(pub(super) Arc<Buckets>);

/// The statistics of a shared limit on this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedRateLimitStats {
    /// Requests that were let through while the limit was enabled.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Those of both that this instance decided by its share.
    pub local: u64,
    /// Those of both that had no key, where a layer reads it from a request.
    pub without_key: u64,
    /// Keys that something is remembered of.
    pub keys: usize,
    /// Who decides now, since when, and why.
    pub status: SharedStatus,
}

impl SharedBucket {
    /// Buckets of this name, which start full. Two limits that are not the same have different names.
    #[must_use]
    pub fn new(store: &RedisStore, name: impl Into<String>, config: RateLimitConfig) -> Self {
        Self::made(store, name.into(), config, None)
    }

    /// Gives some keys settings of their own, such as those of a tenant's plan; where the function answers `None`, those of
    /// all keys hold. All instances are to be given the same function.
    ///
    /// The function is asked at each decision, before any lock is taken, and must be quick; if it panics, the request does. For
    /// a request that has no key it is asked of the empty one, whose bucket that is. What it answers holds from this decision on,
    /// in Redis and in this instance's share, and keeps what is owed: a key that lacks seven tokens at its old rate lacks seven
    /// at the new one.
    ///
    /// ```no_run
    /// use plugin_ratelimit::{RateLimitConfig, RedisConfig, RedisStore, SharedBucket};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = RedisStore::new(RedisConfig::builder("redis://cache.internal:6379").build()?);
    /// let free = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(2).build()?;
    /// let paid = RateLimitConfig::builder().with_requests_per_second(100.0).with_burst_size(200).build()?;
    /// let tenants = SharedBucket::with_limits(&store, "tenants", free, move |tenant| (tenant == "acme").then_some(paid));
    /// assert!(tenants.try_acquire("acme", 150).await.is_ok());
    /// assert!(tenants.try_acquire("globex", 3).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_limits(
        store: &RedisStore,
        name: impl Into<String>,
        config: RateLimitConfig,
        limits: impl Fn(&str) -> Option<RateLimitConfig> + Send + Sync + 'static,
    ) -> Self {
        Self::made(store, name.into(), config, Some(Box::new(limits)))
    }

    fn made(store: &RedisStore, name: String, config: RateLimitConfig, limits: Option<Limits>) -> Self {
        Self(Arc::new(Buckets::new(Arc::clone(&store.link), name, AllTerms::new(config, limits))))
    }

    /// Takes `n` tokens of a key now, or none. For one limit over everything the key is empty. Zero tokens are always there.
    ///
    /// Nothing happens before the first poll. A future that is dropped while it waits for Redis, or that has waited for the
    /// [`timeout`](super::RedisConfigBuilder::with_timeout), may have taken its tokens, and with
    /// [`with_batch`](super::RedisConfigBuilder::with_batch) up to a batch for others of the same key: they are lost then,
    /// never given twice.
    ///
    /// # Errors
    ///
    /// `RATELIMIT_1501`: with [`retry_after`](Rejected::retry_after) when the tokens are not there yet; without it when `n` is
    /// more than the key's bucket ever holds. Never because Redis is away.
    ///
    /// # Panics
    ///
    /// On a tokio runtime without a timer. Outside of a runtime this instance decides by its share.
    pub async fn try_acquire(&self, key: &str, n: u32) -> Result<(), Rejected> {
        match self.0.at_once(key, n) {
            Ok(result) => result,
            Err(pending) => self.0.by_redis(key, pending, Duration::MAX).await,
        }
    }

    /// Like [`try_acquire`](Self::try_acquire), for whoever has so much time left for all that it does. Redis is waited for no longer
    /// than half of it; then this instance decides by its share. Within a [`DeadlineLayer`](plugin_core::deadline::DeadlineLayer)
    /// that is so without being told.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub async fn try_acquire_within(&self, key: &str, n: u32, left: Duration) -> Result<(), Rejected> {
        match self.0.at_once(key, n) {
            Ok(result) => result,
            Err(pending) => self.0.by_redis(key, pending, left).await,
        }
    }

    /// The state of a key's bucket, as response headers give it: asked of Redis, and of this instance's share if it does not
    /// answer. Takes nothing. `None` while the limit is disabled.
    pub async fn quota(&self, key: &str) -> Option<Quota> {
        if !self.is_enabled() {
            return None;
        }
        self.0.quota(key).await
    }

    /// The settings of all keys, but those that have [their own](Self::with_limits).
    #[must_use]
    pub fn config(&self) -> RateLimitConfig {
        self.0.terms.config()
    }

    /// Changes the settings on this instance; the others are to be told too. What is owed is kept: a bucket that lacks seven
    /// tokens still lacks seven, and a smaller burst lets nobody through until the difference is paid. An instance that has other
    /// settings meanwhile refills nothing. Tokens come back at the rate of the instance that took last, or of a faster one that has
    /// asked since. Keys with settings of their own have these still.
    pub fn reconfigure(&self, config: RateLimitConfig) {
        self.0.terms.reconfigure(config);
    }

    /// Limits again, on this instance.
    pub fn enable(&self) {
        self.0.enabled.store(true, Ordering::Relaxed);
    }

    /// Lets everybody through, on this instance. No tokens are taken, and nothing is counted.
    pub fn disable(&self) {
        self.0.enabled.store(false, Ordering::Relaxed);
    }

    /// Whether anything is limited on this instance.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled()
    }

    /// The statistics of this instance.
    #[must_use]
    pub fn stats(&self) -> SharedRateLimitStats {
        SharedRateLimitStats {
            allowed: self.0.allowed.sum(),
            refused: self.0.refused.sum(),
            local: self.0.local.sum(),
            without_key: self.0.without_key.sum(),
            keys: self.0.keys.len(),
            status: self.0.link.status(),
        }
    }

    /// The connection that this limit is kept over.
    #[must_use]
    pub fn store(&self) -> RedisStore {
        RedisStore { link: Arc::clone(&self.0.link) }
    }
}

impl fmt::Debug for SharedBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBucket")
            .field("keys", &self.0.bucket)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
