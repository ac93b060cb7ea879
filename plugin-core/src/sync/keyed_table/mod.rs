//! State per key, bounded.

mod shard;

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hash},
    sync::{Mutex, MutexGuard, PoisonError},
};

use self::shard::{Entry, Shard};
use super::Pad;

/// Keys of one shard. Small enough that growing a shard, or looking through it for a place, is no pause.
const SHARD: usize = 1024;

/// A table from keys to state, with a hard cap on the number of keys.
///
/// It consists of shards with a lock each. An entry remembers whether it was used again since the table last came by: when
/// a shard is full, an insertion looks at the next entries and replaces the first that was not, and that the owner says can
/// go (the "clock" algorithm, F. J. Corbató, 1968). So a flood of new keys replaces its own keys, and not those in use; an
/// insertion asks about 16 entries at most, and nothing ever sweeps the whole table.
///
/// The hash is seeded at random, so no caller can choose keys that fall together.
pub struct KeyedTable<K, V, S = RandomState> {
    shards: Box<[Locked<K, V>]>,
    hasher: S,
}

/// A shard, on cache lines of its own.
type Locked<K, V> = Pad<Mutex<Shard<K, V>>>;

impl<K: Hash + Eq, V> KeyedTable<K, V> {
    /// A table for at most `cap` keys, and at least one. Memory is taken as keys come.
    ///
    /// A cap above 1024 is spread over shards: keys do not fall evenly, so a shard may be full when the table holds
    /// about nine tenths of the cap.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self::with_hasher(cap, RandomState::new())
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> KeyedTable<K, V, S> {
    /// Like [`new`](KeyedTable::new), with another hash function.
    #[must_use]
    pub fn with_hasher(cap: usize, hasher: S) -> Self {
        let cap = cap.max(1);
        let count = (cap / SHARD).max(1).next_power_of_two();
        // Rounded so that the shards together never hold more than the cap.
        let shards =
            (0..count).map(|index| Pad(Mutex::new(Shard::new(cap / count + usize::from(index < cap % count)))));
        Self { shards: shards.collect(), hasher }
    }

    fn find(&self, key: &K) -> (MutexGuard<'_, Shard<K, V>>, u32) {
        let hash = self.hasher.hash_one(key);
        // The shard by the upper half, the slot by the lower one.
        let shard = (hash >> 32) as usize & (self.shards.len() - 1);
        (lock(&self.shards[shard].0), hash as u32)
    }

    /// Reads or changes the state of a key that is in the table, under the shard's lock.
    pub fn get<T>(&self, key: &K, read: impl FnOnce(&mut V) -> T) -> Option<T> {
        let (mut shard, hash) = self.find(key);
        let at = shard.position(hash, key)?;
        let entry = shard.slots[at].as_mut()?;
        entry.used = true;
        Some(read(&mut entry.value))
    }

    /// The same, and makes the state of a key that is new.
    ///
    /// In a shard that is full, `can_go` says of an entry that was not used lately whether it can be replaced. `None`
    /// when none of those that were looked at can: the table then stays as it is, and the next insertion looks further.
    /// All closures run under the shard's lock, so they must be short and must not use the table.
    pub fn get_or_insert_with<T>(
        &self,
        key: &K,
        make: impl FnOnce() -> V,
        can_go: impl FnMut(&K, &mut V) -> bool,
        read: impl FnOnce(&mut V) -> T,
    ) -> Option<T>
    where
        K: Clone,
    {
        let (mut shard, hash) = self.find(key);
        if let Some(at) = shard.position(hash, key) {
            let entry = shard.slots[at].as_mut()?;
            entry.used = true;
            return Some(read(&mut entry.value));
        }
        if shard.len >= shard.cap && !shard.evict(can_go) {
            return None;
        }
        let value = make();
        // Not used yet: a key that comes once is the first to go.
        let at = shard.insert(Entry { hash, used: false, key: key.clone(), value });
        shard.slots[at].as_mut().map(|entry| read(&mut entry.value))
    }

    /// Takes a key out.
    pub fn remove(&self, key: &K) -> Option<V> {
        self.remove_if(key, |_| true)
    }

    /// Takes a key out when `remove` says so of its state, under the shard's lock.
    pub fn remove_if(&self, key: &K, remove: impl FnOnce(&mut V) -> bool) -> Option<V> {
        let (mut shard, hash) = self.find(key);
        let at = shard.position(hash, key)?;
        if !remove(&mut shard.slots[at].as_mut()?.value) {
            return None;
        }
        shard.take(at).map(|entry| entry.value)
    }

    /// Shows every entry, shard by shard: keys that come or go meanwhile may or may not be among them.
    pub fn for_each(&self, mut show: impl FnMut(&K, &mut V)) {
        for shard in &self.shards {
            lock(&shard.0).slots.iter_mut().flatten().for_each(|entry| show(&entry.key, &mut entry.value));
        }
    }

    /// Keeps the entries that `keep` wants, shard by shard.
    pub fn retain(&self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for shard in &self.shards {
            lock(&shard.0).retain(&mut keep);
        }
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.0).len).sum()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest number of keys.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.0).cap).sum()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A closure of the caller may panic under the lock. No entry is half written then; `retain` loses those that it had
    // not come to.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, V, S> fmt::Debug for KeyedTable<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedTable").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{shard::LOOKS, *};

    fn touch(table: &KeyedTable<u64, u64>, key: u64) -> Option<u64> {
        table.get_or_insert_with(&key, || key, |_, _| true, |value| *value)
    }

    #[test]
    fn the_cap_holds_under_a_flood_and_is_reached() {
        for cap in [1, 2, 7, 100, 1024, 5000] {
            let table = KeyedTable::new(cap);
            (0..20_000).for_each(|key| {
                touch(&table, key);
            });
            assert_eq!(table.cap(), cap);
            assert!(table.len() <= cap && table.len() * 10 >= cap * 9, "{} of {cap}", table.len());
        }
    }

    #[test]
    fn a_flood_replaces_its_own_keys_and_not_one_that_is_in_use() {
        let table = KeyedTable::new(100);
        (0..10).for_each(|key| {
            touch(&table, key);
        });
        for flood in 1000..10_000 {
            touch(&table, flood);
            let hot = flood % 10;
            assert_eq!(table.get(&hot, |value| *value), Some(hot), "after {flood}");
        }
    }

    #[test]
    fn a_full_table_of_entries_that_must_stay_refuses_new_keys_and_keeps_the_old() {
        let table = KeyedTable::new(50);
        let insert = |key: u64| table.get_or_insert_with(&key, || key, |_, _| false, |_| ());
        assert!((0..50).all(|key| insert(key).is_some()));
        assert!((50..500).all(|key| insert(key).is_none()));
        assert!((0..50).all(|key| insert(key).is_some()));
        assert_eq!(table.len(), 50);
    }

    #[test]
    fn one_insertion_looks_at_a_bounded_number_of_entries() {
        let table = KeyedTable::new(1000);
        for key in 0..5000u64 {
            let mut looks = 0;
            table.get_or_insert_with(
                &key,
                || (),
                |_, ()| {
                    looks += 1;
                    false
                },
                |()| (),
            );
            assert!(looks <= LOOKS);
        }
    }

    #[test]
    fn a_key_takes_the_lock_of_its_shard_and_no_other() {
        let table = KeyedTable::new(4 * SHARD);
        assert_eq!(table.shards.len(), 4);
        touch(&table, 7);
        let own = (table.hasher.hash_one(7u64) >> 32) as usize & 3;
        let others = table.shards.iter().enumerate().filter(|(index, _)| *index != own);
        let held: Vec<_> = others.map(|(_, shard)| shard.0.try_lock().expect("free")).collect();
        assert_eq!((touch(&table, 7), table.get(&7, |value| *value)), (Some(7), Some(7)));
        assert_eq!(table.remove_if(&7, |_| true), Some(7));
        drop(held);
        assert!(table.is_empty());
    }

    #[test]
    fn threads_that_use_the_same_keys_lose_no_change() {
        let table = KeyedTable::new(64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for turn in 0..10_000u64 {
                        table.get_or_insert_with(&(turn % 64), || 0u64, |_, _| false, |value| *value += 1);
                    }
                });
            }
        });
        let mut sum = 0;
        table.for_each(|_, value| sum += *value);
        assert_eq!(sum, 40_000);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map_while_it_is_not_full(
            steps in proptest::collection::vec((0u8..4, 0u16..300), 1..600),
        ) {
            let table = KeyedTable::new(1000);
            let mut map = HashMap::new();
            for (index, (step, key)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        let new = table.get_or_insert_with(&key, || index, |_, _| true, |value| *value);
                        prop_assert_eq!(new, Some(*map.entry(key).or_insert(index)));
                    }
                    2 => prop_assert_eq!(table.remove(&key), map.remove(&key)),
                    _ => prop_assert_eq!(table.get(&key, |value| *value), map.get(&key).copied()),
                }
                prop_assert_eq!(table.len(), map.len());
            }
            table.retain(|key, _| key % 2 == 0);
            map.retain(|key, _| key % 2 == 0);
            let mut left = HashMap::new();
            table.for_each(|key, value| { left.insert(*key, *value); });
            prop_assert_eq!(left, map);
        }
    }
}
