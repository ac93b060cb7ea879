//! What an operator does with the buckets: looks at them, changes their settings, switches them off and on.

use std::{borrow::Borrow, hash::Hash, sync::atomic::Ordering};

use plugin_core::clock;

use super::KeyedTokenBucket;
use crate::{
    keyed::{account::Terms, config::KeyedRateLimitConfig, usage::KeyUsage},
    sync::lock,
};

impl<K: Hash + Eq + Clone> KeyedTokenBucket<K> {
    /// The keys that lack the most tokens of their buckets, most first: at most `n` of them.
    ///
    /// It walks through all keys, a part of them at a time; a request waits for one part at most, two thousand keys.
    #[must_use]
    pub fn top_keys(&self, n: usize) -> Vec<KeyUsage<K>> {
        let top = self.0.table.top(n, clock::now().as_nanos());
        top.into_sorted().map(|(key, owed)| KeyUsage { key, owed }).collect()
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

    /// Changes what each key may do, for keys that are known and for those that come, and what becomes of requests without a
    /// key. What is owed is kept: a key that lacks seven tokens of its burst still lacks seven. Keys with settings of their own
    /// have these still.
    ///
    /// The table keeps the [`max_keys`](Self::max_keys) that it was made with, whatever these settings say of it.
    ///
    /// It walks through all keys, about a millisecond for a hundred thousand; nobody waits for that, and from its beginning on
    /// the new settings hold for every request.
    pub fn reconfigure(&self, config: KeyedRateLimitConfig) {
        let _turn = lock(&self.0.changing);
        let config = config.of_table(self.0.max_keys);
        let from = std::mem::replace(&mut *lock(&self.0.config), config);
        self.0.keyless.reconfigure(config);
        if from.limit() != config.limit() {
            let (from, to) = (Terms::common(from.limit()), Terms::common(config.limit()));
            self.0.table.change(from, to, clock::now().as_nanos());
        }
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
