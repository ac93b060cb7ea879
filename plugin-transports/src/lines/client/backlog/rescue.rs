//! Calls that were held back, and written in time all the same, as long as that is of use.

/// How far the balance goes. Below, a single answer must not undo what was seen.
const MOST: [i8; 2] = [-64, 8];

/// Of the calls that were written because they could not be held back any longer, the ones that were answered to somebody,
/// less those that were not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rescue {
    balance: i8,
}

impl Rescue {
    /// A plugin that takes one call at a time answers few of those that are written so late, and works for nobody then.
    pub(super) fn is_of_use(self) -> bool {
        self.balance >= 0
    }

    pub(super) fn answered(&mut self) {
        self.balance = (self.balance + 1).min(MOST[1]);
    }

    pub(super) fn given_up(&mut self) {
        self.balance = (self.balance - 1).max(MOST[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_has_a_short_way_up_and_a_long_one_down() {
        let mut rescue = Rescue::default();
        (0..1000).for_each(|_| rescue.answered());
        (0..8).for_each(|_| rescue.given_up());
        assert!(rescue.is_of_use(), "as often as not");
        rescue.given_up();
        assert!(!rescue.is_of_use());
        (0..1000).for_each(|_| rescue.given_up());
        (0..63).for_each(|_| rescue.answered());
        assert!(!rescue.is_of_use());
        rescue.answered();
        assert!(rescue.is_of_use());
    }
}
