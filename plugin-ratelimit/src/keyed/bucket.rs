//! A token bucket for each key, usable without tower.

use std::{
    borrow::Borrow,
    fmt,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use plugin_core::{
    Quota, Rejected,
    clock::{self, Instant},
};

use super::{
    account::Terms,
    config::KeyedRateLimitConfig,
    table::Table,
    usage::{KeyUsage, Top},
};
use crate::{
    RateLimitConfig,
    bucket::Acquired,
    gcra::Decision,
    sync::{Mutex, lock},
};

/// A token bucket for each key: a client's address, a tenant, an API.
///
/// Each key's bucket starts full and refills steadily, as a [`TokenBucket`](crate::TokenBucket) does. Every clone is the
/// same table.
///
/// At most [`max_keys`](KeyedRateLimitConfig::max_keys) keys are kept. **Only a key whose bucket is full again is
/// forgotten**, which changes nothing for it: a new bucket is full too. When every place is taken by a key that owes
/// something, new keys share 1024 buckets by a hash that nobody can foresee, each at a key's own rate. So a flood of keys
/// never makes the table forget what a busy key owes, and whoever comes meanwhile is served as far as these buckets go.
/// A key that took from one of them and is given a place later begins with a full bucket, so that during a flood it may have
/// up to twice its share.
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

/// What a key may do, where it is not what all may.
type Limits<K> = Box<dyn Fn(&K) -> Option<RateLimitConfig> + Send + Sync>;

struct Inner<K> {
    table: Table<K>,
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
    /// all keys hold. This makes a new table with the same settings, so it stands at the beginning.
    ///
    /// The function is asked at each decision, before any lock is taken, and must be quick; if it panics, the request does. What it answers holds from this
    /// decision on, and keeps what is owed: a key that lacks seven tokens at its old rate lacks seven at the new one.
    ///
    /// ```
    /// use plugin_ratelimit::{KeyedTokenBucket, RateLimitConfig};
    ///
    /// let free = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(2).build()?;
    /// let paid = RateLimitConfig::builder().with_requests_per_second(100.0).with_burst_size(200).build()?;
    /// let tenants = KeyedTokenBucket::<String>::new(free).with_limits(move |tenant| (tenant == "acme").then_some(paid));
    /// assert!(tenants.try_acquire("acme", 150).is_ok());
    /// assert!(tenants.try_acquire("globex", 3).is_err());
    /// # Ok::<(), plugin_ratelimit::plugin_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_limits(self, limits: impl Fn(&K) -> Option<RateLimitConfig> + Send + Sync + 'static) -> Self {
        Self::made(self.config(), Some(Box::new(limits)))
    }

    pub(super) fn made(config: KeyedRateLimitConfig, limits: Option<Limits<K>>) -> Self {
        let max_keys = config.max_keys();
        Self(Arc::new(Inner {
            table: Table::new(max_keys as usize, Terms::common(config.limit())),
            limits,
            max_keys,
            config: Mutex::new(config),
            changing: Mutex::new(()),
            enabled: AtomicBool::new(true),
        }))
    }

    /// Takes `n` tokens of a key now, or none.
    ///
    /// Never waits, and allocates only when the table grows or a key is copied into it. Zero tokens are always there.
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

    /// The keys that lack the most tokens of their buckets, most first: at most `n` of them.
    ///
    /// It walks through all keys, a part of them at a time, and keeps nobody waiting longer than that takes.
    #[must_use]
    pub fn top_keys(&self, n: usize) -> Vec<KeyUsage<K>> {
        let now = clock::now().as_nanos();
        let mut top = Top::new(n);
        self.0.table.for_each_debtor(now, |key, account| top.offer(key, account.owed(now)));
        top.into_usages()
    }

    /// Forgets a key, and all that it owes: its next request finds a full bucket. Whether it was known.
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        // Dropped when the lock is not held.
        self.0.table.remove(key).is_some()
    }

    /// Forgets the keys whose buckets are full again, and gives their memory back. It need not be called: their places are
    /// taken by keys that come. It is for the time after a flood.
    pub fn forget_full(&self) {
        self.0.table.remove_full(clock::now().as_nanos());
    }

    /// The number of keys that have a place.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.0.table.len()
    }

    /// The most keys that have a place at once, for the whole life of the table.
    #[must_use]
    pub fn max_keys(&self) -> u32 {
        self.0.max_keys
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> KeyedRateLimitConfig {
        *lock(&self.0.config)
    }

    /// Changes what each key may do, for keys that are known and for those that come, and keeps what is owed: a key that
    /// lacks seven tokens of its burst still lacks seven. Keys with settings of their own have these still.
    ///
    /// It walks through all keys, about a millisecond for a hundred thousand; nobody waits for that, and from its beginning on
    /// the new settings hold for every request.
    pub fn reconfigure(&self, limit: RateLimitConfig) {
        let _turn = lock(&self.0.changing);
        let from = {
            let mut config = lock(&self.0.config);
            let from = config.limit();
            *config = config.limiting(limit);
            from
        };
        self.0.table.change(Terms::common(from), Terms::common(limit), clock::now().as_nanos());
    }

    /// Decisions that the shared buckets made, for keys that found no place.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.0.table.overflowed()
    }
}

impl<K> KeyedTokenBucket<K> {
    /// Limits again, after [`disable`](Self::disable).
    pub fn enable(&self) {
        self.0.enabled.store(true, Ordering::Relaxed);
    }

    /// Lets everybody through. No tokens are taken, and what is owed stays owed.
    pub fn disable(&self) {
        self.0.enabled.store(false, Ordering::Relaxed);
    }

    /// Whether anything is limited.
    #[must_use]
    #[inline]
    pub fn is_enabled(&self) -> bool {
        // Relaxed: a request that reads the switch of a moment ago behaves as if it had come a moment earlier.
        self.0.enabled.load(Ordering::Relaxed)
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
