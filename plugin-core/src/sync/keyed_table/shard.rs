//! Some of the keys of a table, under one lock.

/// Entries that one insertion into a full shard asks its owner about before it gives up, and entries that it passes by
/// because they were used.
pub(super) const LOOKS: usize = 16;
const PASSES: usize = 256;

/// Open addressing with linear probing; a removed entry is filled by moving those behind it, so nothing is left to skip.
pub(super) struct Shard<K, V> {
    pub(super) slots: Box<[Option<Entry<K, V>>]>,
    pub(super) len: usize,
    pub(super) cap: usize,
    /// Where the search for an entry to replace goes on.
    hand: usize,
}

pub(super) struct Entry<K, V> {
    pub(super) hash: u32,
    pub(super) used: bool,
    pub(super) key: K,
    pub(super) value: V,
}

impl<K: Eq, V> Shard<K, V> {
    pub(super) fn new(cap: usize) -> Self {
        Self { slots: Box::default(), len: 0, cap, hand: 0 }
    }

    fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    pub(super) fn position(&self, hash: u32, key: &K) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = hash as usize & self.mask();
        // There is always an empty slot.
        while let Some(entry) = &self.slots[at] {
            if entry.hash == hash && entry.key == *key {
                return Some(at);
            }
            at = (at + 1) & self.mask();
        }
        None
    }

    pub(super) fn insert(&mut self, entry: Entry<K, V>) -> usize {
        // At most seven eighths are taken.
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            self.grow();
        }
        self.len += 1;
        self.place(entry)
    }

    fn place(&mut self, entry: Entry<K, V>) -> usize {
        let mut at = entry.hash as usize & self.mask();
        while self.slots[at].is_some() {
            at = (at + 1) & self.mask();
        }
        self.slots[at] = Some(entry);
        at
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(8);
        let old = std::mem::replace(&mut self.slots, (0..size).map(|_| None).collect());
        self.hand = 0;
        old.into_iter().flatten().for_each(|entry| {
            self.place(entry);
        });
    }

    /// Removes an entry and moves up those behind it that are not at home.
    pub(super) fn take(&mut self, at: usize) -> Option<Entry<K, V>> {
        let taken = self.slots[at].take()?;
        self.len -= 1;
        let (mut hole, mut next) = (at, (at + 1) & self.mask());
        while let Some(entry) = &self.slots[next] {
            let home = entry.hash as usize & self.mask();
            let (to_hole, to_next) = (hole.wrapping_sub(home) & self.mask(), next.wrapping_sub(home) & self.mask());
            if to_hole <= to_next {
                self.slots[hole] = self.slots[next].take();
                hole = next;
            }
            next = (next + 1) & self.mask();
        }
        Some(taken)
    }

    /// Makes room for one entry.
    pub(super) fn evict(&mut self, mut can_go: impl FnMut(&K, &mut V) -> bool) -> bool {
        let (mut looks, mut passes) = (0, 0);
        // Twice round at most: a small shard is then known to have nothing to give.
        for _ in 0..2 * self.slots.len() {
            let at = self.hand;
            self.hand = (self.hand + 1) & self.mask();
            let Some(entry) = &mut self.slots[at] else { continue };
            if std::mem::take(&mut entry.used) {
                passes += 1;
            } else if can_go(&entry.key, &mut entry.value) {
                self.take(at);
                return true;
            } else {
                looks += 1;
            }
            if looks == LOOKS || passes == PASSES {
                return false;
            }
        }
        false
    }

    pub(super) fn retain(&mut self, keep: &mut impl FnMut(&K, &mut V) -> bool) {
        let old = std::mem::take(&mut self.slots);
        self.slots = (0..old.len()).map(|_| None).collect();
        self.len = 0;
        for mut entry in old.into_iter().flatten() {
            if keep(&entry.key, &mut entry.value) {
                self.len += 1;
                self.place(entry);
            }
        }
    }
}
