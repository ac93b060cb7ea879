//! How many calls of each priority asked for a place lately.

use std::time::Duration;

use plugin_core::clock::Instant;

/// For how long the calls are remembered that ask for a place; those of the time before count too.
const WINDOW: Duration = Duration::from_secs(1);
/// Priorities that are told apart. More of them would be a request's to choose, and memory without a bound.
const LEVELS: usize = 256;

/// The calls of one priority.
#[derive(Clone, Copy, Debug)]
struct Level {
    priority: i16,
    present: u64,
    before: u64,
}

/// Counts by priority, and the sums of them that a decision needs. Both take as many steps as the number of levels has binary
/// digits: this is asked of every call that finds no place, so most often when there is least time for it.
#[derive(Debug, Default)]
pub(super) struct Levels {
    since: Instant,
    /// Ordered by priority.
    known: Vec<Level>,
    /// The tree of partial sums of Fenwick, "A New Data Structure for Cumulative Frequency Tables" (1994).
    sums: Vec<u64>,
    /// Levels that were asked for in the present window.
    present: usize,
}

/// What part of the calls is of which priority, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    /// Of a lower priority.
    pub(super) below: f64,
    /// Of this one.
    pub(super) own: f64,
}

impl Levels {
    /// A call of this priority asks for a place.
    pub(super) fn note(&mut self, priority: i16, now: Instant) {
        let age = now.saturating_since(self.since);
        if age >= WINDOW {
            self.turn(age < 2 * WINDOW);
            self.since = now;
        }
        let found = self.known.binary_search_by_key(&priority, |level| level.priority);
        let (Ok(at) | Err(at)) = found;
        let is_first = found.is_err() || self.known.get(at).is_some_and(|level| level.present == 0);
        if is_first && self.present == LEVELS {
            return;
        }
        self.present += usize::from(is_first);
        if found.is_err() {
            self.known.insert(at, Level { priority, present: 0, before: 0 });
            self.sum_up();
        }
        if let Some(level) = self.known.get_mut(at) {
            level.present += 1;
        }
        self.add(at);
    }

    /// Where a call of this priority stands among those that were noted.
    pub(super) fn shares(&self, priority: i16) -> Shares {
        let found = self.known.binary_search_by_key(&priority, |level| level.priority);
        let (Ok(at) | Err(at)) = found;
        let all = self.first(self.known.len()).max(1) as f64;
        let own = found.ok().and_then(|at| self.known.get(at)).map_or(0, Level::count);
        Shares { below: self.first(at) as f64 / all, own: own as f64 / all }
    }

    /// A window is over. `follows`: the next one begins where it ends.
    fn turn(&mut self, follows: bool) {
        self.known.retain_mut(|level| {
            level.before = if follows { level.present } else { 0 };
            level.present = 0;
            level.before > 0
        });
        self.present = 0;
        self.sum_up();
    }

    fn sum_up(&mut self) {
        self.sums.clear();
        self.sums.extend(self.known.iter().map(Level::count));
        for node in 1..=self.sums.len() {
            let sum = self.sums.get(node - 1).copied().unwrap_or(0);
            if let Some(above) = self.sums.get_mut(above(node) - 1) {
                *above += sum;
            }
        }
    }

    /// One call more at this place.
    fn add(&mut self, at: usize) {
        let mut node = at + 1;
        while let Some(sum) = self.sums.get_mut(node - 1) {
            *sum += 1;
            node = above(node);
        }
    }

    /// The calls of so many levels from the lowest.
    fn first(&self, levels: usize) -> u64 {
        let mut node = levels;
        let mut sum = 0;
        while node > 0 {
            sum += self.sums.get(node - 1).copied().unwrap_or(0);
            node &= node - 1;
        }
        sum
    }
}

impl Level {
    fn count(&self) -> u64 {
        self.present + self.before
    }
}

/// The node whose sum has that of this one in it.
fn above(node: usize) -> usize {
    node + (node & node.wrapping_neg())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(3_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn the_sums_are_those_of_the_counts() {
        let mut levels = Levels::default();
        let mut random = 1_u64;
        let mut noted = Vec::new();
        for n in 0..4000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let priority = (random >> 58) as i16 - 32;
            levels.note(priority, at(n));
            noted.push((n, priority));
            // Windows begin at each thousand: what counts is the present one and the one before.
            let counted =
                || noted.iter().filter(|(when, _)| when / 1000 + 1 >= n / 1000).map(|(_, priority)| *priority);
            let all = counted().count() as f64;
            for asked in [i16::MIN, -32, priority, 0, 31, i16::MAX] {
                let below = counted().filter(|priority| *priority < asked).count() as f64 / all;
                let own = counted().filter(|priority| *priority == asked).count() as f64 / all;
                assert_eq!(levels.shares(asked), Shares { below, own }, "{asked} after {n}");
            }
        }
    }

    #[test]
    fn a_silence_leaves_nothing() {
        let mut levels = Levels::default();
        levels.note(5, at(0));
        levels.note(7, at(2000));
        assert_eq!(levels.shares(7), Shares { below: 0.0, own: 1.0 });
        assert_eq!(Levels::default().shares(7), Shares { below: 0.0, own: 0.0 });
    }

    #[test]
    fn priorities_without_end_take_no_memory_without_end() {
        let mut levels = Levels::default();
        for (factor, ms) in [(1, 0), (2, 1000), (3, 2000)] {
            (-1000..1000).for_each(|priority| levels.note(priority * factor, at(ms)));
            assert!(levels.known.len() <= 2 * LEVELS && levels.present == LEVELS, "{}", levels.known.len());
        }
    }
}
