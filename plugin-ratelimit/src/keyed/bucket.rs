//! A token bucket for each key, usable without tower.

use std::{
    borrow::Borrow,
    fmt,
    hash::Hash,
    sync::{Arc, atomic::AtomicBool},
};

use plugin_core::{
    Quota, Rejected,
    clock::{self, Instant},
};

use super::{account::Terms, config::KeyedRateLimitConfig, keyless::Keyless, table::Table};
use crate::{RateLimitConfig, bucket::Acquired, gcra::Decision, sync::Mutex};

/// A token bucket for each key: a client's address, a tenant, an API.
///
/// Each key's bucket starts full and refills steadily, as a [`TokenBucket`](crate::TokenBucket) does. Every clone is the
/// same table.
///
/// At most [`max_keys`](KeyedRateLimitConfig::max_keys) keys are kept. **Only a key whose bucket is full again is
/// forgotten**, which changes nothing for it: a new bucket is full too. A new key that finds no place shares one of 1024
/// buckets, by a hash that nobody can foresee, with others like it; each of them refills at a key's own rate. It finds none
/// when its part of the table is full and each of 16 keys there that it looks at owes something. So a flood of keys
/// never makes the table forget what a busy key owes, and whoever comes meanwhile is served as far as these buckets go.
/// A key that took from one of them and is given a place later begins with a full bucket, so that during a flood it may have
/// up to twice its share.
///
/// A key is hashed, compared and cloned by its own code, the last two under the lock of a part of the table: that code must not
/// use the table itself. Keys are dropped outside of it.
///
/// There is no waiting: a line for each key would be as many lines as there are keys. A refusal says when to come back.
///
/// ```
/// use plugin_ratelimit::{KeyedTokenBucket, RateLimitConfig};
///
/// let each = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(5).build()?;
/// let tenants = KeyedTokenBucket::<String>::new(each);
/// tenants.try_acquire("acme", 5)?;
/// let refused = tenants.try_acquire("acme", 1).expect_err("its bucket is empty");
/// assert!(refused.retry_after().is_some());
/// tenants.try_acquire("globex", 5)?; // has a bucket of its own
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyedTokenBucket<K>(Arc<Inner<K>>);

mod operate;

/// What a key may do, where it is not what all may.
type Limits<K> = Box<dyn Fn(&K) -> Option<RateLimitConfig> + Send + Sync>;

struct Inner<K> {
    table: Table<K>,
    keyless: Keyless,
    limits: Option<Limits<K>>,
    max_keys: u32,
    config: Mutex<KeyedRateLimitConfig>,
    /// Held while settings change.
    changing: Mutex<()>,
    enabled: AtomicBool,
}

impl<K: Hash + Eq + Clone> KeyedTokenBucket<K> {
    /// No key yet: the bucket of each is full when it first comes.
    #[must_use]
    pub fn new(config: impl Into<KeyedRateLimitConfig>) -> Self {
        Self::made(config.into(), None)
    }

    /// Gives some keys settings of their own, such as those of a tenant's plan; where the function answers `None`, those of
    /// all keys hold.
    ///
    /// The function is asked at each decision, before any lock is taken, and must be quick; if it panics, the request does.
    /// What it answers holds from this decision on, and keeps what is owed: a key that lacks seven tokens at its old rate lacks
    /// seven at the new one.
    ///
    /// ```
    /// use plugin_ratelimit::{KeyedTokenBucket, RateLimitConfig};
    ///
    /// let free = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(2).build()?;
    /// let paid = RateLimitConfig::builder().with_requests_per_second(100.0).with_burst_size(200).build()?;
    /// let tenants = KeyedTokenBucket::with_limits(free, move |tenant: &String| (tenant == "acme").then_some(paid));
    /// assert!(tenants.try_acquire("acme", 150).is_ok());
    /// assert!(tenants.try_acquire("globex", 3).is_err());
    /// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_limits(
        config: impl Into<KeyedRateLimitConfig>,
        limits: impl Fn(&K) -> Option<RateLimitConfig> + Send + Sync + 'static,
    ) -> Self {
        Self::made(config.into(), Some(Box::new(limits)))
    }

    fn made(config: KeyedRateLimitConfig, limits: Option<Limits<K>>) -> Self {
        let max_keys = config.max_keys();
        Self(Arc::new(Inner {
            table: Table::new(max_keys as usize, Terms::common(config.limit())),
            keyless: Keyless::new(config),
            limits,
            max_keys,
            config: Mutex::new(config),
            changing: Mutex::new(()),
            enabled: AtomicBool::new(true),
        }))
    }

    /// Takes `n` tokens of a key now, or none.
    ///
    /// Never waits, and allocates only when the table grows or a key is copied into it; with
    /// [`with_limits`](Self::with_limits) the key is copied each time, for the function. Zero tokens are always there.
    ///
    /// # Errors
    ///
    /// `RATELIMIT_1501`: with [`retry_after`](Rejected::retry_after) when the tokens are not there yet; without it when `n`
    /// is more than the key's bucket ever holds.
    #[inline]
    pub fn try_acquire<Q>(&self, key: &Q, n: u32) -> Result<(), Rejected>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        self.acquire(key, self.own_terms(key), n, clock::now).map(drop)
    }

    /// Like [`try_acquire`](Self::try_acquire), at a moment that the caller has read from the clock already.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn try_acquire_at<Q>(&self, key: &Q, n: u32, now: Instant) -> Result<(), Rejected>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        self.acquire(key, self.own_terms(key), n, || now).map(drop)
    }

    /// The same for who has the key itself, which the function of the settings need then not be given a copy of.
    #[inline]
    pub(super) fn acquire_owned(&self, key: &K, n: u32) -> Result<Acquired, Rejected> {
        let own = self.0.limits.as_ref().and_then(|limits| limits(key)).map(Terms::own);
        self.acquire(key, own, n, clock::now)
    }

    /// Takes one token for a request that has no key, or what the settings say instead.
    pub(super) fn acquire_keyless(&self) -> Result<Acquired, Rejected> {
        self.0.keyless.acquire()
    }

    #[inline]
    fn own_terms<Q: ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Option<Terms> {
        self.0.limits.as_ref().and_then(|limits| limits(&key.to_owned())).map(Terms::own)
    }

    #[inline]
    fn acquire<Q>(
        &self,
        key: &Q,
        own: Option<Terms>,
        n: u32,
        clock: impl FnOnce() -> Instant,
    ) -> Result<Acquired, Rejected>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        if n == 0 || !self.is_enabled() {
            return Ok(Acquired::Free);
        }
        let (tokens, now) = (u64::from(n), clock().as_nanos());
        let (decision, account, terms) = self.0.table.take(key, own, tokens, now);
        match decision {
            Decision::Admit(_) => Ok(Acquired::Taken),
            Decision::Wait(wait) => Err(terms.limit.refusal(account.arrival, now, wait)),
            Decision::Never => Err(Rejected::too_costly(tokens, terms.limit.burst())),
        }
    }

    /// The state of a key's bucket, as response headers give it; that of a full one where the key is not known. `None`
    /// while the limit is disabled.
    #[must_use]
    pub fn quota<Q>(&self, key: &Q) -> Option<Quota>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        let (own, now) = (self.own_terms(key), clock::now().as_nanos());
        let found = self.0.table.get(key, own, now);
        self.is_enabled().then(|| found.terms.limit.quota(found.account.arrival, now)).flatten()
    }

    /// Whether the key has a place, so that its bucket may lack something.
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        self.0.table.get(key, None, 0).is_known
    }
}

impl<K> Clone for KeyedTokenBucket<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for KeyedTokenBucket<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No keys: they may be secrets.
        f.debug_struct("KeyedTokenBucket").field("max_keys", &self.0.max_keys).finish_non_exhaustive()
    }
}
