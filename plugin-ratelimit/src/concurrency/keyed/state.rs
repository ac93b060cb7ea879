//! What all clones of a limit share.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use plugin_core::{
    Rejected,
    sync::{KeyedTable, StripedCounter},
};

use super::config::KeyedConcurrencyLimitConfig;
use crate::{
    WithoutKey,
    places::Places,
    sync::{Mutex, lock},
};

/// Calls in flight by key. Each number is under a lock: that of its part of the table, or its own.
pub(super) struct State<K> {
    pub(super) table: KeyedTable<K, u32>,
    overflow: OnceLock<Places<Mutex<u32>>>,
    keyless: Mutex<u32>,
    hasher: RandomState,
    pub(super) max_keys: u32,
    // Read by each call, so not under a lock that the calls of all keys would take.
    pub(super) max: AtomicU32,
    pub(super) without_key: Mutex<WithoutKey>,
    pub(super) enabled: AtomicBool,
    pub(super) admitted: StripedCounter,
    pub(super) refused: StripedCounter,
    pub(super) overflowed: StripedCounter,
}

/// Where a call is counted.
pub(super) enum Place<K> {
    Key(K),
    /// That of others too, by a hash.
    Overflow(u64),
    /// That of all that have no key.
    Keyless,
}

impl<K: Hash + Eq + Clone> State<K> {
    pub(super) fn new(config: KeyedConcurrencyLimitConfig) -> Self {
        Self {
            table: KeyedTable::new(usize::try_from(config.max_keys()).unwrap_or(usize::MAX)),
            overflow: OnceLock::new(),
            keyless: Mutex::new(0),
            hasher: RandomState::new(),
            max_keys: config.max_keys(),
            max: AtomicU32::new(config.max()),
            without_key: Mutex::new(config.without_key()),
            enabled: AtomicBool::new(true),
            admitted: StripedCounter::new(),
            refused: StripedCounter::new(),
            overflowed: StripedCounter::new(),
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        // Relaxed: a switch by itself.
        self.enabled.load(Ordering::Relaxed)
    }

    /// Counts a call. `Ok(None)`: it passes uncounted.
    pub(super) fn enter(&self, key: Option<K>) -> Result<Option<Place<K>>, Rejected> {
        if !self.is_enabled() {
            return Ok(None);
        }
        // Relaxed: a number by itself.
        let max = self.max.load(Ordering::Relaxed);
        let taken = match key {
            Some(key) => self.enter_by_key(key, max),
            None => match *lock(&self.without_key) {
                WithoutKey::Shared => taken(&mut lock(&self.keyless), max).then_some(Place::Keyless),
                WithoutKey::Refuse => {
                    self.refused.add(1);
                    return Err(Rejected::without_key());
                }
                WithoutKey::Pass => return Ok(None),
            },
        };
        let counter = if taken.is_some() { &self.admitted } else { &self.refused };
        counter.add(1);
        taken.map(Some).ok_or_else(Rejected::overloaded_of_key)
    }

    fn enter_by_key(&self, key: K, max: u32) -> Option<Place<K>> {
        // Whoever is in the table has a call in flight, and stays.
        let own = self.table.get_or_insert_with(&key, || 0, |_, _| false, |calls| taken(calls, max));
        match own {
            Some(taken) => taken.then_some(Place::Key(key)),
            None => self.enter_overflow(self.hasher.hash_one(&key), max),
        }
    }

    #[cold]
    fn enter_overflow(&self, hash: u64, max: u32) -> Option<Place<K>> {
        self.overflowed.add(1);
        let places = self.overflow.get_or_init(|| Places::new(|| Mutex::new(0)));
        taken(&mut lock(places.at(hash)), max).then_some(Place::Overflow(hash))
    }

    pub(super) fn in_flight(&self) -> u64 {
        let mut sum = u64::from(*lock(&self.keyless));
        self.table.for_each(|_, calls| sum += u64::from(*calls));
        let overflow = self.overflow.get().into_iter().flat_map(Places::iter);
        sum + overflow.map(|calls| u64::from(*lock(calls))).sum::<u64>()
    }
}

impl<K: Hash + Eq> State<K> {
    /// A call is over.
    pub(super) fn leave(&self, place: &Place<K>) {
        match place {
            Place::Key(key) => drop(self.table.remove_if(key, |calls| {
                *calls = calls.saturating_sub(1);
                *calls == 0
            })),
            Place::Overflow(hash) => {
                if let Some(places) = self.overflow.get() {
                    give_back(&mut lock(places.at(*hash)));
                }
            }
            Place::Keyless => give_back(&mut lock(&self.keyless)),
        }
    }
}

/// Takes a place, if fewer than so many are taken.
fn taken(calls: &mut u32, max: u32) -> bool {
    let is_free = *calls < max;
    *calls += u32::from(is_free);
    is_free
}

fn give_back(calls: &mut u32) {
    *calls = calls.saturating_sub(1);
}
