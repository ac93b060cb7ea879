//! `maglev`: the same instance for the same key, with shares as even as can be.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    numbers::{hash_name, mix, scale},
    pool::{Pool, View},
};

/// The entries of a table, which must be prime.
///
/// Of n instances each has a share of the entries that is exact to one of them. The paper has at least 100 entries for
/// each instance, and with [`FEW`] so has this up to 655. It is used further, until there are 16 for each, since a
/// table of another size gives every key another instance.
const ENTRIES: usize = 65_537;

/// The entries where there are more instances than [`FEW`].
const MANY_ENTRIES: usize = 655_373;

const FEW: usize = 4096;

/// How often a key whose instance is down is hashed anew, until it falls on one that is not. With half of all down one
/// key in 2^32 has no luck.
const TRIES: usize = 32;

/// A table in which every instance has its share of the entries; a key belongs to an entry.
///
/// After D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (2016): every instance has
/// the entries in an order of its own, which comes from its name, and they take turns to take the first that is free.
/// Here the turns of an instance come round in proportion to its weight, and that of each comes once before any comes
/// twice. They begin in the order of the names, so the order in which instances join does not matter, and a restart
/// changes nothing.
///
/// A key whose instance is down is hashed anew until it falls on one that is not, so that the keys of one go to all
/// others.
pub(crate) struct Table(Box<[u32]>);

impl Table {
    #[expect(clippy::cast_possible_truncation, reason = "indices of instances fit 32 bits")]
    pub(super) fn build<'n>(instances: impl Iterator<Item = (&'n str, u32)>) -> Self {
        let instances: Vec<_> = instances.collect();
        // There is nothing to be decided by a table.
        if instances.len() < 2 {
            return Self((0..instances.len() as u32).collect());
        }
        let len = if instances.len() <= FEW { ENTRIES } else { MANY_ENTRIES };
        let mut by_name: Vec<_> = (0..instances.len()).collect();
        by_name.sort_unstable_by_key(|index| instances[*index].0);
        let mut orders: Vec<_> = instances.iter().map(|(name, _)| Order::of(name, len as u64)).collect();
        // The turns by when they are due, and of those that are due at once by name.
        let mut turns: BinaryHeap<_> =
            (0_u32..).zip(&by_name).map(|(rank, index)| Reverse((0, rank, *index))).collect();
        let mut entries = vec![FREE; len];
        for _ in 0..len {
            let Some(mut turn) = turns.peek_mut() else { break };
            let Reverse((due, _, index)) = &mut *turn;
            orders[*index].take(&mut entries, *index as u32);
            *due += ROUND / u64::from(instances[*index].1.max(1));
        }
        Self(entries.into())
    }

    #[inline]
    pub(super) fn pick<V: View>(&self, pool: &Pool<'_, V>, key: u64) -> Option<usize> {
        let hash = mix(key);
        let first = self.owner(hash)?;
        if pool.is_first(first) {
            return Some(first);
        }
        let best = pool.best()?;
        self.order(key).find(|index| best.contains(*index)).or_else(|| best.this_or_weighted(first, rehash(hash)))
    }

    /// The instance of a key, and those that it falls on when it is hashed anew.
    #[inline]
    pub(super) fn order(&self, key: u64) -> impl Iterator<Item = usize> + Clone {
        std::iter::successors(Some(mix(key)), |hash| Some(rehash(*hash)))
            .take(TRIES)
            .filter_map(|hash| self.owner(hash))
    }

    #[inline]
    fn owner(&self, hash: u64) -> Option<usize> {
        self.0.get(scale(hash, self.0.len()).0).map(|index| *index as usize)
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> &[u32] {
        &self.0
    }
}

#[inline]
fn rehash(hash: u64) -> u64 {
    mix(hash.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

/// An entry that nobody has taken.
const FREE: u32 = u32::MAX;

/// The time from one turn to the next of an instance of weight 1. Times the most entries it fits 64 bits, and divided
/// by the largest weight it still has six digits.
const ROUND: u64 = 1 << 40;

/// The order in which an instance would take the entries: from one of them on, by steps of one length, which in a prime
/// number of entries comes by each.
struct Order {
    next: u64,
    step: u64,
    len: u64,
}

impl Order {
    fn of(name: &str, len: u64) -> Self {
        let own = hash_name(name);
        Self { next: own % len, step: mix(own ^ 0x9e37_79b9_7f4a_7c15) % (len - 1) + 1, len }
    }

    /// Takes the first entry that is free; there is one.
    #[expect(clippy::cast_possible_truncation, reason = "an entry's number is less than a usize")]
    fn take(&mut self, entries: &mut [u32], index: u32) {
        loop {
            let entry = &mut entries[self.next as usize];
            self.next += self.step;
            if self.next >= self.len {
                self.next -= self.len;
            }
            if *entry == FREE {
                *entry = index;
                return;
            }
        }
    }
}
