//! Who uses a limit most.

use std::collections::BTreeMap;

/// A key that lacks tokens of its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUsage<K> {
    /// The key.
    pub key: K,
    /// The tokens that its bucket lacks, rounded up.
    pub owed: u64,
}

/// The keys that owe the most of those that were offered. A key is copied only when it is among them.
pub(super) struct Top<K> {
    most: usize,
    /// By what they owe, then by when they were offered, the last first: of two that owe the same, the first stays.
    kept: BTreeMap<(u64, u64), K>,
    offered: u64,
}

impl<K: Clone> Top<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: BTreeMap::new(), offered: 0 }
    }

    pub(super) fn offer(&mut self, key: &K, owed: u64) {
        if self.kept.len() >= self.most {
            match self.kept.first_key_value() {
                Some((least, _)) if least.0 < owed => drop(self.kept.pop_first()),
                _ => return,
            }
        }
        self.offered += 1;
        self.kept.insert((owed, u64::MAX - self.offered), key.clone());
    }

    pub(super) fn into_usages(self) -> Vec<KeyUsage<K>> {
        self.kept.into_iter().rev().map(|((owed, _), key)| KeyUsage { key, owed }).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn top(most: usize, offered: &[(char, u64)]) -> String {
        let mut top = Top::new(most);
        offered.iter().for_each(|(key, owed)| top.offer(key, *owed));
        top.into_usages().into_iter().map(|usage| usage.key).collect()
    }

    #[test]
    fn those_who_owe_most_are_kept_in_order() {
        let offered = [('a', 3), ('b', 9), ('c', 1), ('d', 9), ('e', 4)];
        assert_eq!(top(3, &offered), "bde");
        assert_eq!(top(10, &offered), "bdeac");
        assert_eq!(top(0, &offered), "");
    }
}
