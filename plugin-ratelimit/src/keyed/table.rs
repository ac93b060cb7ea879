//! The buckets of all keys: shards, and the buckets of those who found no place.

use std::{
    borrow::Borrow,
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
};

use plugin_core::sync::{Pad, StripedCounter};

use super::{
    account::{Account, Terms},
    overflow::Overflow,
    shard::{Outcome, Shard},
};
use crate::{
    gcra::Decision,
    sync::{Mutex, MutexGuard, lock},
    top::Top,
};

/// Keys of one shard, at least, where there is more than one: small enough that growing it or walking through it is no
/// pause, and large enough that keys fall evenly.
const SHARD: usize = 1024;

/// Entries that a change of settings counts anew before it lets others take the lock.
const SETTLED_AT_ONCE: usize = 256;

pub(super) struct Table<K> {
    shards: Box<[Pad<Mutex<Shard<K>>>]>,
    overflow: Overflow,
    /// Decisions that the overflow made.
    overflowed: StripedCounter,
    /// Seeded at random, so that no caller can choose keys that fall together.
    hasher: RandomState,
}

/// The bucket of a key at one moment.
pub(super) struct Inspected {
    pub(super) account: Account,
    pub(super) terms: Terms,
    /// Whether the key has a place.
    pub(super) is_known: bool,
}

impl<K> Table<K> {
    pub(super) fn new(max_keys: usize, terms: Terms) -> Self {
        let cap = max_keys.max(1);
        let count = 1 << (cap / SHARD).max(1).ilog2();
        let shard = |index| Shard::new(cap / count + usize::from(index < cap % count), terms);
        let shards = (0..count).map(|index| Pad(Mutex::new(shard(index)))).collect();
        Self { shards, overflow: Overflow::default(), overflowed: StripedCounter::new(), hasher: RandomState::new() }
    }

    #[inline]
    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> (MutexGuard<'_, Shard<K>>, u32) {
        let hash = self.hasher.hash_one(key);
        // The shard by the upper half, the slot by the lower one.
        let shard = (hash >> 32) as usize & (self.shards.len() - 1);
        (lock(&self.shards[shard]), hash as u32)
    }

    /// Takes tokens out of a key's bucket.
    #[inline]
    pub(super) fn take<Q>(&self, key: &Q, own: Option<Terms>, tokens: u64, now: u64) -> (Decision, Account, Terms)
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        let (mut shard, hash) = self.shard(key);
        let outcome = shard.take(hash, key, own, tokens, now);
        drop(shard);
        match outcome {
            Outcome::Decided { decision, account, terms, forgotten } => {
                drop(forgotten);
                (decision, account, terms)
            }
            Outcome::NoPlace { terms } => {
                self.overflowed.add(1);
                let (decision, account) = match own {
                    Some(own) => self.overflow.take_own(hash, own, tokens, now),
                    None => self.overflow.take(hash, terms, tokens, now),
                };
                (decision, account, terms)
            }
        }
    }

    pub(super) fn get<Q>(&self, key: &Q, own: Option<Terms>, now: u64) -> Inspected
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        let (shard, hash) = self.shard(key);
        let (account, terms, is_known) = shard.get(hash, key, own, now);
        Inspected { account, terms, is_known }
    }

    pub(super) fn remove<Q>(&self, key: &Q) -> Option<K>
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        let (mut shard, hash) = self.shard(key);
        shard.remove(hash, key)
    }

    /// Takes out the keys whose buckets are full again.
    pub(super) fn remove_full(&self, now: u64) {
        for shard in &self.shards {
            let gone = lock(shard).remove_full(now);
            // Not under the lock.
            drop(gone);
        }
    }

    /// Puts other settings of all keys in force from `now` on. Callers take turns.
    ///
    /// What is owed is counted anew in small steps, so that nobody waits for it; a key that comes before its turn is
    /// counted when it comes, with the same result.
    pub(super) fn change(&self, from: Terms, to: Terms, now: u64) {
        for shard in &self.shards {
            lock(shard).begin_change(to, now);
        }
        self.overflow.change(from, to, now);
        for shard in &self.shards {
            let mut next = Some(0);
            while let Some(first) = next {
                next = lock(shard).settle(first, SETTLED_AT_ONCE);
            }
            lock(shard).end_change();
        }
    }

    /// The keys that owe the most.
    ///
    /// A key is copied under the lock of its shard, only if it is one of them as far as is known by then, and dropped when the
    /// lock is not held: what a key does when it is dropped is not known.
    pub(super) fn top(&self, most: usize, now: u64) -> Top<K>
    where
        K: Clone,
    {
        let mut top = Top::new(most);
        for shard in &self.shards {
            let shard = lock(shard);
            let mut here = top.who_would_be();
            shard.debtors(now).for_each(|(key, account)| here.offer(key, account.owed(now)));
            let copies: Vec<(K, u64)> = here.into_sorted().map(|(key, owed)| (key.clone(), owed)).collect();
            drop(shard);
            copies.into_iter().for_each(|(key, owed)| top.offer(key, owed));
        }
        top
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.sum()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
