//! Limits how often a denied request is logged.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use plugin_core::clock::Instant;

/// Lines of the log in a second, at most. Whoever reaches the port can ask as often as he likes, and would otherwise write the
/// log of an operator full.
const PER_SECOND: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    since: Option<Instant>,
    lines: u32,
    untold: u64,
}

impl Denials {
    /// Somebody is turned away. Where the log is to tell of it, how many it has not told of before.
    pub(super) fn another(&self, now: Instant) -> Option<u64> {
        // Nothing that runs under the lock can panic, so a poisoned lock is still sound.
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if second.since.is_none_or(|since| now.saturating_since(since) >= Duration::from_secs(1)) {
            (second.since, second.lines) = (Some(now), 0);
        }
        if second.lines == PER_SECOND {
            second.untold += 1;
            return None;
        }
        second.lines += 1;
        Some(std::mem::take(&mut second.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_tells_of_the_rest() {
        let (denials, begun) = (Denials::default(), Instant::from_nanos(1));
        let lines = |after: u64| {
            let now = begun.saturating_add(Duration::from_millis(after));
            (0..1000).filter_map(|_| denials.another(now)).collect::<Vec<_>>()
        };
        assert_eq!(lines(0), [0; 20]);
        assert!(lines(999).is_empty());
        let next = lines(1000);
        assert_eq!((next.len(), next[0], next[1]), (20, 1980, 0));
    }
}
