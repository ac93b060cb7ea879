//! The largest of many.

use std::collections::BTreeMap;

/// Those who owe the most of all that were offered.
pub(crate) struct Top<T> {
    most: usize,
    /// Who owes this or less is not among them.
    floor: u64,
    /// By what they owe, then by when they were offered, the last first: of two that owe the same, the first stays.
    kept: BTreeMap<(u64, u64), T>,
    offered: u64,
}

impl<T> Top<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, floor: 0, kept: BTreeMap::new(), offered: 0 }
    }

    /// An empty one, for those who would be among these.
    pub(crate) fn who_would_be<U>(&self) -> Top<U> {
        let least = self.kept.first_key_value().filter(|_| self.kept.len() >= self.most);
        Top { floor: least.map_or(0, |(least, _)| least.0), ..Top::new(self.most) }
    }

    pub(crate) fn offer(&mut self, who: T, owed: u64) {
        self.offer_with(|| who, owed);
    }

    /// The same; who it is is only asked of one who is among them.
    pub(crate) fn offer_with(&mut self, who: impl FnOnce() -> T, owed: u64) {
        if owed <= self.floor {
            return;
        }
        if self.kept.len() >= self.most {
            match self.kept.first_key_value() {
                Some((least, _)) if least.0 < owed => drop(self.kept.pop_first()),
                _ => return,
            }
        }
        self.offered += 1;
        self.kept.insert((owed, u64::MAX - self.offered), who());
    }

    /// They and what they owe, the most first.
    pub(crate) fn into_sorted(self) -> impl Iterator<Item = (T, u64)> {
        self.kept.into_iter().rev().map(|((owed, _), who)| (who, owed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn top(most: usize, offered: &[(char, u64)]) -> String {
        let mut top = Top::new(most);
        offered.iter().for_each(|(key, owed)| top.offer(*key, *owed));
        top.into_sorted().map(|(key, _)| key).collect()
    }

    #[test]
    fn those_who_owe_most_are_kept_in_order() {
        let offered = [('a', 3), ('b', 9), ('c', 1), ('d', 9), ('e', 4)];
        assert_eq!(top(3, &offered), "bde");
        assert_eq!(top(10, &offered), "bdeac");
        assert_eq!(top(0, &offered), "");
    }

    #[test]
    fn of_others_only_those_count_who_would_be_among_them() {
        let mut first = Top::new(2);
        assert_eq!(first.who_would_be::<()>().floor, 0);
        for (key, owed) in [('a', 3), ('b', 9), ('c', 4)] {
            first.offer(key, owed);
        }
        let mut next = first.who_would_be();
        for (key, owed) in [('d', 4), ('e', 5)] {
            next.offer(key, owed);
        }
        assert_eq!(next.into_sorted().collect::<Vec<_>>(), [('e', 5)]);
    }
}
