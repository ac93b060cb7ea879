//! What an instance remembers of keys, in bounds.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use plugin_core::sync::KeyedTable;

use super::{key_cell::KeyCell, overflow::Overflow, terms::Terms};

/// At most so many keys, by a hash of 128 bits that is seeded at random: no key is kept, however long it is, and no caller
/// can choose keys that fall together.
pub(super) struct Keys {
    seeds: [RandomState; 2],
    table: KeyedTable<u128, Arc<KeyCell>>,
    /// Cells that keys share which find no place, while Redis is away.
    overflow: Overflow,
}

fn can_be_forgotten(cell: &Arc<KeyCell>, now: u64) -> bool {
    Arc::strong_count(cell) == 1 && cell.is_idle(now)
}

/// A key, as the table knows it.
#[derive(Clone, Copy)]
pub(super) struct KeyId(u128);

impl Keys {
    pub(super) fn new(cap: u32) -> Self {
        let seeds = [RandomState::new(), RandomState::new()];
        Self { seeds, table: KeyedTable::new(cap as usize), overflow: Overflow::new() }
    }

    pub(super) fn id(&self, key: &str) -> KeyId {
        let [high, low] = self.seeds.each_ref().map(|seed| u128::from(seed.hash_one(key)));
        KeyId(high << 64 | low)
    }

    /// The cell of a key; `None` when no place is free. Only keys that owe nothing, have nothing in reserve and are used by
    /// nobody make place for others.
    pub(super) fn cell(&self, id: KeyId, now: u64) -> Option<Arc<KeyCell>> {
        let can_go = |_: &u128, cell: &mut Arc<KeyCell>| can_be_forgotten(cell, now);
        self.table.get_or_insert_with(&id.0, Arc::default, can_go, |cell| Arc::clone(cell))
    }

    /// A cell that this key shares with others, for its share while Redis is away.
    pub(super) fn overflow(&self, id: KeyId, terms: Terms, now: u64) -> Arc<KeyCell> {
        self.overflow.at(id.0 as u64, terms, now)
    }

    /// Shows the cell that a request of this key would find, also one that it would share, and keeps no place for it.
    pub(super) fn look<T>(&self, id: KeyId, terms: Terms, now: u64, read: impl FnOnce(&KeyCell) -> T) -> T {
        if let Some(cell) = self.table.get(&id.0, |cell| Arc::clone(cell)) {
            return read(&cell);
        }
        let Some(cell) = self.cell(id, now) else { return read(&self.overflow(id, terms, now)) };
        let read = read(&cell);
        drop(cell);
        // It stays where a request has come meanwhile.
        self.table.remove_if(&id.0, |cell| can_be_forgotten(cell, now));
        read
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("table", &self.table).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gcra::Limit,
        shared::key_state::{Share, share_of},
    };

    const TERMS: Terms = Terms { limit: Limit { interval: 1_000, tolerance: 1_000, window: 1_000 }, is_own: false };

    fn one_token() -> Share {
        share_of(TERMS.limit, 1)
    }

    #[test]
    fn a_key_that_owes_keeps_its_place_and_those_without_one_share_cells() {
        let keys = Keys::new(4);
        let share = one_token();
        for key in ["a", "b", "c", "d"] {
            let cell = keys.cell(keys.id(key), 0).expect("a place");
            assert_eq!(cell.state().take_share(share, 1, 0), Ok(()));
        }
        assert!(keys.cell(keys.id("e"), 999).is_none());
        assert!(keys.cell(keys.id("a"), 999).is_some());
        let shared = keys.overflow(keys.id("e"), TERMS, 0);
        assert_eq!(shared.state().take_share(share, 1, 0), Ok(()));
        assert!(keys.overflow(keys.id("e"), TERMS, 0).state().take_share(share, 1, 0).is_err(), "it is limited there");
        assert!(keys.cell(keys.id("e"), 1_000).is_some(), "the others owe nothing any more");
        assert_eq!(keys.len(), 4);
    }

    #[test]
    fn a_key_that_is_looked_at_shows_what_it_would_find_and_takes_no_place() {
        let (keys, share) = (Keys::new(1), one_token());
        let full_at =
            |key: &str, now: u64| keys.look(keys.id(key), TERMS, now, |cell| cell.state().share_is_full_at(share, now));
        assert_eq!((full_at("a", 0), keys.len()), (0, 0));
        let cell = keys.cell(keys.id("a"), 0).expect("a place");
        assert_eq!(cell.state().take_share(share, 1, 0), Ok(()));
        drop(cell);
        assert_eq!((full_at("a", 1), full_at("b", 1), keys.len()), (1_000, 0, 1), "it owes, and another does not");
        assert_eq!(keys.overflow(keys.id("b"), TERMS, 1).state().take_share(share, 1, 1), Ok(()));
        assert_eq!(full_at("b", 1), 1_001, "it would share");
        assert_eq!((full_at("b", 1_000), keys.len()), (0, 0), "a place is free, and stays so");
    }

    #[test]
    fn who_waits_is_counted_until_it_goes_away() {
        let cell = KeyCell::default();
        let (one, two) = (cell.wait(1), cell.wait(2));
        assert_eq!(cell.waiting(), 3);
        drop(one);
        assert_eq!(cell.waiting(), 2);
        drop(two);
        assert_eq!(cell.waiting(), 0);
    }

    #[test]
    fn a_flood_of_keys_is_bounded() {
        let keys = Keys::new(100);
        (0..10_000).for_each(|key| drop(keys.cell(keys.id(&key.to_string()), 0)));
        assert!(keys.len() <= 100);
    }
}
