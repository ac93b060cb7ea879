//! Sets of places for keys that have limits of their own, one set for each limit.
//!
//! What a place owes is a time, or a number of tokens that come back in one. Were it shared by keys of two limits, each would count
//! it at his own: so keys share with those that have the same limit.

use crate::gcra::Limit;

/// How many sets there are at most. Nothing bounds how many limits there are, and a set is a thousand places.
///
/// With more limits than these at one time, among keys that find no place of their own, those that come last share a set. Two keys
/// that fall to one place there, by chance one pair in a thousand, are limited together though their limits are not the same: either
/// may be refused for what the other has taken, and where a place owes tokens, they come back at the pace of who asks.
const SETS: usize = 64;

/// The sets, made as they are needed.
pub(crate) struct Sets<S>(Vec<(Limit, S)>);

impl<S> Default for Sets<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Sets<S> {
    /// Whether there are as many as may be.
    #[cfg(feature = "redis")]
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= SETS
    }

    /// Whether this limit has one.
    #[cfg(feature = "redis")]
    pub(crate) fn has(&self, limit: Limit) -> bool {
        self.0.iter().any(|(of, _)| *of == limit)
    }

    /// The set of this limit: the one that it has, or one in which nobody owes anything, or a new one, or the last.
    pub(crate) fn of(&mut self, limit: Limit, is_idle: impl Fn(&S) -> bool, make: impl FnOnce() -> S) -> &mut S {
        let has = self.0.iter().position(|(of, _)| *of == limit);
        let free = || self.0.iter().position(|(_, set)| is_idle(set));
        let at = match has.or_else(free) {
            Some(at) => at,
            None if self.0.len() < SETS => {
                self.0.push((limit, make()));
                self.0.len() - 1
            }
            None => return &mut self.0[SETS - 1].1,
        };
        let (of, set) = &mut self.0[at];
        *of = limit;
        set
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const fn limit(interval: u64) -> Limit {
        Limit { interval, tolerance: interval, window: 1 }
    }

    /// A set that is known by its number and owes until somebody says that it does not.
    #[derive(Default)]
    struct Numbered {
        sets: Sets<(usize, bool)>,
        made: usize,
    }

    impl Numbered {
        fn of(&mut self, interval: u64) -> usize {
            let number = self.made;
            let set = self.sets.of(limit(interval), |(_, owes)| !owes, || (number, true));
            set.1 = true;
            let at = set.0;
            self.made += usize::from(at == number);
            at
        }
    }

    #[test]
    fn each_limit_has_its_set_and_the_last_of_too_many_share_one() {
        let mut sets = Numbered::default();
        for turn in 0..100_usize {
            assert_eq!(sets.of(turn as u64), turn.min(SETS - 1));
        }
        assert_eq!((0..SETS).map(|turn| sets.of(turn as u64)).collect::<Vec<_>>(), (0..SETS).collect::<Vec<_>>());
    }

    #[test]
    fn a_set_in_which_nobody_owes_is_given_to_another_limit_and_is_no_longer_that_of_the_first() {
        let mut sets = Numbered::default();
        assert_eq!([1, 2, 3].map(|interval| sets.of(interval)), [0, 1, 2]);
        sets.sets.0[1].1.1 = false;
        assert_eq!([4, 2, 4, 1].map(|interval| sets.of(interval)), [1, 3, 1, 0]);
    }
}
