//! Cells that keys share which find no place of their own, while Redis is away.

use std::sync::{Arc, LazyLock};

use super::{key_cell::KeyCell, terms::Terms};
use crate::{
    places::Places,
    sets::Sets,
    sync::{Mutex, lock},
};

type Cells = Places<Arc<KeyCell>>;

/// Made as they are needed.
pub(super) struct Overflow {
    /// Of keys that have the settings of all. They stay when these change.
    common: LazyLock<Cells>,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    sets: Sets<Cells>,
    /// When it may be looked again whether a set owes nothing, which is a look at each of its places.
    next_look: u64,
}

/// The time between two such looks. Until then a limit that has no set shares the last one.
const BETWEEN_LOOKS: u64 = 100_000_000;

impl Overflow {
    pub(super) fn new() -> Self {
        Self { common: LazyLock::new(cells), own: Mutex::default() }
    }

    /// The cell that this hash falls to among those of the same settings.
    pub(super) fn at(&self, hash: u64, terms: Terms, now: u64) -> Arc<KeyCell> {
        if !terms.is_own {
            return Arc::clone(self.common.at(hash));
        }
        let mut own = lock(&self.own);
        let Own { sets, next_look } = &mut *own;
        let may_look = now >= *next_look || !sets.is_full();
        let is_idle = |cells: &Cells| may_look && cells.iter().all(|cell| cell.is_idle(now));
        if may_look && !sets.has(terms.limit) {
            *next_look = now.saturating_add(BETWEEN_LOOKS);
        }
        Arc::clone(sets.of(terms.limit, is_idle, cells).at(hash))
    }
}

fn cells() -> Cells {
    Places::new(Arc::default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gcra::Limit, shared::key_state::share_of};

    const NOW: u64 = 5_000_000_000;

    fn own(interval: u64, burst: u64) -> Terms {
        Terms { limit: Limit { interval, tolerance: interval * burst, window: 1 }, is_own: true }
    }

    /// Whether it passes, for a hash that is the same for all: whoever may meet does.
    fn passes(overflow: &Overflow, terms: Terms, tokens: u32, now: u64) -> bool {
        overflow.at(7, terms, now).state().take_share(share_of(terms.limit, 1), tokens, now).is_ok()
    }

    #[test]
    fn keys_of_different_settings_do_not_meet() {
        let overflow = Overflow::new();
        let (fast, slow) = (own(1_000, 200), own(1_000_000, 5));
        let common = Terms { is_own: false, ..fast };
        assert!(passes(&overflow, fast, 200, NOW) && !passes(&overflow, fast, 1, NOW));
        assert!(passes(&overflow, slow, 5, NOW) && !passes(&overflow, slow, 1, NOW));
        assert!(passes(&overflow, common, 200, NOW) && !passes(&overflow, common, 1, NOW));
        let later = NOW + 50_000;
        assert!(passes(&overflow, fast, 50, later), "nobody has slowed it down");
        assert!(!passes(&overflow, slow, 1, later));
    }

    #[test]
    fn where_too_many_settings_share_a_set_as_many_tokens_are_owed_whoever_asks() {
        let overflow = Overflow::new();
        for turn in 0..100 {
            let _met = passes(&overflow, own(1_000 + turn, 1_000), 1, NOW);
        }
        let last = own(1_099, 1_000);
        assert!(passes(&overflow, last, 900, NOW) && !passes(&overflow, own(10, 500), 1, NOW), "900 are owed");
    }
}
