//! The handle: reads the statistics, and changes the settings while calls go on.

use std::{borrow::Borrow, fmt, hash::Hash, sync::Arc};

use plugin_core::{Quota, Rejected, clock, sync::StripedCounter};

use super::{bucket::KeyedTokenBucket, config::KeyedRateLimitConfig, usage::KeyUsage};
use crate::{RateLimitConfig, TokenBucket, WithoutKey, bucket::Acquired, decisions::Decisions};

/// Reads the statistics and changes the settings of a [`KeyedRateLimitLayer`](super::KeyedRateLimitLayer) and all its
/// services. Cheap to clone.
///
/// ```
/// use plugin_ratelimit::{KeyedRateLimitLayer, RateLimitConfig};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let each = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(2).build()?;
/// let layer = KeyedRateLimitLayer::new(each, |tenant: &&'static str| Some(*tenant));
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|_: &'static str| async { Ok::<_, BoxError>(()) }));
///
/// for tenant in ["acme", "acme", "acme", "globex"] {
///     let _ = service.clone().oneshot(tenant).await;
/// }
/// assert_eq!((handle.stats().allowed, handle.stats().refused, handle.stats().keys), (3, 1, 2));
/// assert_eq!(handle.top_keys(1)[0].key, "acme");
/// assert_eq!(handle.quota(&"acme").map(|quota| quota.remaining), Some(0));
/// handle.forget("acme"); // its next request finds a full bucket
/// assert!(service.oneshot("acme").await.is_ok());
/// # Ok(())
/// # }
/// ```
pub struct KeyedRateLimitHandle<K>(Arc<Shared<K>>);

struct Shared<K> {
    bucket: KeyedTokenBucket<K>,
    /// What requests without a key take from.
    keyless: TokenBucket,
    without_key: WithoutKey,
    decisions: Decisions,
    keyless_requests: StripedCounter,
}

/// The statistics of a [`KeyedRateLimitLayer`](super::KeyedRateLimitLayer), of all keys together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyedRateLimitStats {
    /// Requests that were let through while the limit was enabled.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests among these that had no key.
    pub without_key: u64,
    /// Decisions that the shared buckets made, because every place was taken by a key that owed something. Those of
    /// others who take from the same buckets are among them.
    pub overflowed: u64,
    /// Keys that have a place.
    pub keys: usize,
    /// The most keys that have a place at once.
    pub max_keys: u32,
}

impl<K: Hash + Eq + Clone> KeyedRateLimitHandle<K> {
    pub(super) fn new(bucket: KeyedTokenBucket<K>) -> Self {
        let config = bucket.config();
        Self(Arc::new(Shared {
            keyless: TokenBucket::new(config.limit()),
            without_key: config.without_key(),
            bucket,
            decisions: Decisions::default(),
            keyless_requests: StripedCounter::new(),
        }))
    }

    #[inline]
    pub(super) fn admit(&self, key: Option<&K>) -> Result<(), Rejected> {
        self.0.decisions.count(match key {
            Some(key) => self.0.bucket.acquire_owned(key, 1),
            None if self.is_enabled() => self.admit_keyless(),
            None => Ok(Acquired::Free),
        })
    }

    #[cold]
    fn admit_keyless(&self) -> Result<Acquired, Rejected> {
        self.0.keyless_requests.add(1);
        match self.0.without_key {
            WithoutKey::Shared => self.0.keyless.acquire(1, clock::now),
            WithoutKey::Refuse => Err(Rejected::without_key()),
            WithoutKey::Pass => Ok(Acquired::Taken),
        }
    }

    /// The statistics. Requests that run meanwhile may or may not be in them.
    #[must_use]
    pub fn stats(&self) -> KeyedRateLimitStats {
        KeyedRateLimitStats {
            allowed: self.0.decisions.allowed(),
            refused: self.0.decisions.refused(),
            without_key: self.0.keyless_requests.sum(),
            overflowed: self.0.bucket.overflowed(),
            keys: self.0.bucket.keys(),
            max_keys: self.0.bucket.max_keys(),
        }
    }

    /// The state of a key's bucket: see [`KeyedTokenBucket::quota`].
    #[must_use]
    pub fn quota<Q>(&self, key: &Q) -> Option<Quota>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        self.0.bucket.quota(key)
    }

    /// The keys that lack the most tokens of their buckets, most first: see [`KeyedTokenBucket::top_keys`].
    #[must_use]
    pub fn top_keys(&self, n: usize) -> Vec<KeyUsage<K>> {
        self.0.bucket.top_keys(n)
    }

    /// Forgets a key, and all that it owes. Whether it was known.
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        self.0.bucket.forget(key)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> KeyedRateLimitConfig {
        self.0.bucket.config()
    }

    /// Changes what each key may do, and all requests without a key together, and keeps what is owed: see
    /// [`KeyedTokenBucket::reconfigure`].
    pub fn reconfigure(&self, limit: RateLimitConfig) {
        self.0.bucket.reconfigure(limit);
        self.0.keyless.reconfigure(limit);
    }

    /// Whether requests are limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.bucket.is_enabled()
    }

    /// Limits again.
    pub fn enable(&self) {
        self.0.bucket.enable();
    }

    /// Passes everything through.
    pub fn disable(&self) {
        self.0.bucket.disable();
    }

    /// The buckets, to take tokens from besides the layer.
    #[must_use]
    pub fn bucket(&self) -> &KeyedTokenBucket<K> {
        &self.0.bucket
    }
}

impl<K> Clone for KeyedRateLimitHandle<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for KeyedRateLimitHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimitHandle").field("bucket", &self.0.bucket).finish_non_exhaustive()
    }
}
