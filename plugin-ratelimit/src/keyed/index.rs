//! Where an entry stands, by the hash of its key: two bytes of the hash and two of the position.

/// Open addressing with linear probing. A slot that is emptied is filled by moving those behind it, so nothing is left to
/// skip. It is at most half full, so that a key which is not there is known not to be after two or three slots, most often
/// on one cache line.
#[derive(Default)]
pub(super) struct Index {
    /// The tag in the upper half, the position and one in the lower; zero is free.
    slots: Box<[u32]>,
}

/// The most entries that positions of two bytes tell apart.
pub(super) const MOST: usize = u16::MAX as usize - 1;

/// The part of a hash that a slot keeps. The slot at which it is at home follows from it alone.
const fn tag(hash: u32) -> u32 {
    hash >> 16
}

const fn slot(hash: u32, position: usize) -> u32 {
    tag(hash) << 16 | (position as u32 + 1)
}

const fn position(slot: u32) -> usize {
    (slot & 0xffff) as usize - 1
}

impl Index {
    /// An index for as many entries, whose hashes are these, in order.
    pub(super) fn new(capacity: usize, hashes: impl Iterator<Item = u32>) -> Self {
        let mut index = Self { slots: vec![0; 2 * capacity.min(MOST)].into() };
        hashes.enumerate().for_each(|(position, hash)| index.insert(hash, position));
        index
    }

    /// How many entries it has slots for.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len() / 2
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        (tag as usize * self.slots.len()) >> 16
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    /// The position whose hash may be this one and that is the right one.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(tag(hash));
        // There is always a free slot.
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if slot >> 16 == tag(hash) && is_it(position(slot)) {
                return Some(position(slot));
            }
            at = self.after(at);
        }
    }

    /// Adds an entry. There is a slot for it.
    pub(super) fn insert(&mut self, hash: u32, position: usize) {
        let mut at = self.home(tag(hash));
        while self.slots[at] != 0 {
            at = self.after(at);
        }
        self.slots[at] = slot(hash, position);
    }

    /// Says that an entry stands elsewhere now.
    pub(super) fn moved(&mut self, hash: u32, from: usize, to: usize) {
        if let Some(at) = self.slot_of(hash, from) {
            self.slots[at] = slot(hash, to);
        }
    }

    /// Takes an entry out, and moves up those behind it that are not at home.
    pub(super) fn remove(&mut self, hash: u32, position: usize) {
        let Some(mut hole) = self.slot_of(hash, position) else { return };
        let mut next = self.after(hole);
        while self.slots[next] != 0 {
            let home = self.home(self.slots[next] >> 16);
            if self.distance(home, hole) <= self.distance(home, next) {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.slots[hole] = 0;
    }

    fn slot_of(&self, hash: u32, position: usize) -> Option<usize> {
        let wanted = slot(hash, position);
        let mut at = self.home(tag(hash));
        while self.slots[at] != 0 {
            if self.slots[at] == wanted {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    fn distance(&self, home: usize, at: usize) -> usize {
        if at >= home { at - home } else { at + self.slots.len() - home }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_entry_is_found_where_it_stands_and_no_other(
            capacity in 1usize..40, steps in prop::collection::vec((any::<u32>(), any::<u16>(), any::<bool>()), 1..200),
            spread in 0u32..17,
        ) {
            // A small spread makes tags fall together, so that whole rows of slots are moved.
            let mut hashes: Vec<u32> = Vec::new();
            let mut index = Index::new(capacity, std::iter::empty());
            for (hash, pick, adds) in steps {
                let hash = hash >> spread << 3;
                if adds && hashes.len() < capacity {
                    index.insert(hash, hashes.len());
                    hashes.push(hash);
                } else if !hashes.is_empty() {
                    let at = usize::from(pick) % hashes.len();
                    index.remove(hashes[at], at);
                    let last = hashes.len() - 1;
                    if at != last {
                        index.moved(hashes[last], last, at);
                    }
                    hashes.swap_remove(at);
                }
                for (position, hash) in hashes.iter().enumerate() {
                    prop_assert_eq!(index.find(*hash, |found| found == position), Some(position));
                }
                prop_assert_eq!(index.slots.iter().filter(|slot| **slot != 0).count(), hashes.len());
                prop_assert_eq!(index.find(hash, |found| found >= hashes.len()), None);
            }
        }
    }
}
