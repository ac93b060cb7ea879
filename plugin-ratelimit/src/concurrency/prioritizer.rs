//! Who is refused first, where several limits are under one load.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
};

use plugin_core::clock::Instant;

use super::levels::{Levels, Shares};
use crate::sync::{Mutex, lock};

/// The share of the lines that may be full before anybody is refused for it.
const RAMP_FROM: f64 = 0.5;

/// Refuses calls of low priority before lines are full, by how full the lines are of all limits that share it.
///
/// While the lines are less than half full together, nobody is refused. From there on a share of the calls that find no place is:
/// none at half, all at the end, and those of the lowest priority first. Of the calls of one priority a part is refused, evenly, where
/// the share ends among them. So a burst that comes to one limit leaves room for what is important at all of them, and the
/// lines do not fill up with calls that others will push out.
///
/// Every clone is the same prioritizer.
///
/// ```
/// use plugin_ratelimit::concurrency::{ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitLayer, Prioritizer};
///
/// let prioritizer = Prioritizer::new();
/// let limits = ["users", "orders"].map(|_| ConcurrencyLimit::prioritized(ConcurrencyLimitConfig::default(), &prioritizer));
/// let layers = limits.map(|limit| ConcurrencyLimitLayer::sharing(&limit).for_calls());
/// assert_eq!(prioritizer.refused_share(), 0.0);
/// # drop(layers);
/// ```
#[derive(Clone, Default)]
pub struct Prioritizer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Calls that wait in all lines, and that may.
    waiting: AtomicU64,
    room: AtomicU64,
    asked: Mutex<Asked>,
}

/// Who asked for a place lately, and whose turn it is to be refused.
#[derive(Default)]
struct Asked {
    levels: Levels,
    /// What is owed of refusals, in calls.
    owed: f64,
}

impl Prioritizer {
    /// A prioritizer of no limit yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The share of calls that is refused, of those that find no place, from 0 to 1.
    #[must_use]
    pub fn refused_share(&self) -> f64 {
        // Relaxed: two counts, each of which is right by itself; a moment between them does not matter.
        let waiting = self.0.waiting.load(Ordering::Relaxed) as f64;
        let room = self.0.room.load(Ordering::Relaxed) as f64;
        if room == 0.0 {
            return 0.0;
        }
        ((waiting / room - RAMP_FROM) / (1.0 - RAMP_FROM)).clamp(0.0, 1.0)
    }

    /// A line has become so much longer or shorter. Counts wrap, and so a difference may be one below zero.
    pub(super) fn publish(&self, waiting: u64, room: u64) {
        self.0.waiting.fetch_add(waiting, Ordering::Relaxed);
        self.0.room.fetch_add(room, Ordering::Relaxed);
    }

    /// Whether a call of this priority that finds no place is refused.
    pub(super) fn refuses(&self, priority: i16, now: Instant) -> bool {
        let share = self.refused_share();
        let mut asked = lock(&self.0.asked);
        asked.levels.note(priority, now);
        share > 0.0 && asked.refuses(priority, share)
    }
}

impl Asked {
    fn refuses(&mut self, priority: i16, share: f64) -> bool {
        let Shares { below, own } = self.levels.shares(priority);
        if share <= below {
            return false;
        }
        if share >= below + own {
            return true;
        }
        self.owed += (share - below) / own;
        let is_due = self.owed >= 1.0;
        if is_due {
            self.owed -= 1.0;
        }
        is_due
    }
}

impl fmt::Debug for Prioritizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prioritizer").field("refused_share", &self.refused_share()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(3_000_000_000 + ms * 1_000_000)
    }

    fn prioritizer(waiting: u64) -> Prioritizer {
        let prioritizer = Prioritizer::new();
        prioritizer.publish(waiting, 100);
        prioritizer
    }

    /// Of a hundred calls of each of these priorities, in turn: how many are refused.
    fn refused(prioritizer: &Prioritizer, priorities: [i16; 3]) -> [u32; 3] {
        let mut refused = [0; 3];
        // What they are is known from the second before.
        for round in 0..2 {
            refused = [0; 3];
            for n in 0..100 {
                for (priority, refused) in priorities.iter().zip(&mut refused) {
                    *refused += u32::from(prioritizer.refuses(*priority, at(round * 1000 + n)));
                }
            }
        }
        refused
    }

    #[test]
    fn nobody_is_refused_while_the_lines_are_half_empty() {
        for waiting in [0, 50] {
            assert_eq!(refused(&prioritizer(waiting), [-1, 0, 1]), [0; 3]);
        }
        assert_eq!(Prioritizer::new().refused_share(), 0.0);
    }

    #[test]
    fn the_lowest_are_refused_first() {
        let two_thirds = refused(&prioritizer(83), [-1, 0, 1]);
        assert!(two_thirds[0] >= 99 && (90..=100).contains(&two_thirds[1]) && two_thirds[2] == 0, "{two_thirds:?}");
        let third = refused(&prioritizer(66), [-1, 0, 1]);
        assert!((90..=100).contains(&third[0]) && third[1] == 0 && third[2] == 0, "{third:?}");
    }

    #[test]
    fn where_the_share_ends_among_equals_a_part_of_them_is_refused() {
        let half = refused(&prioritizer(75), [0, 0, 0]);
        let sum: u32 = half.iter().sum();
        assert!((149..=151).contains(&sum), "{half:?}");
    }

    #[test]
    fn all_are_refused_when_the_lines_are_full() {
        assert_eq!(refused(&prioritizer(100), [-1, 0, 1]), [100; 3]);
    }

    #[test]
    fn limits_that_share_it_count_together() {
        let prioritizer = prioritizer(100);
        prioritizer.publish(0, 300);
        assert_eq!(prioritizer.refused_share(), 0.0, "one line is full, and three are empty");
        prioritizer.publish(200, 0);
        assert_eq!(prioritizer.refused_share(), 0.5);
        prioritizer.publish(0_u64.wrapping_sub(200), 0);
        assert_eq!(prioritizer.refused_share(), 0.0);
    }
}
