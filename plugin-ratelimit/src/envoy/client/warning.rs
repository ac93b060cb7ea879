//! One line in the log in a while, however often there would be something to say.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use plugin_core::clock::Instant;

/// The shortest time between two lines.
const WHILE: Duration = Duration::from_secs(10);

/// When the next line may be written.
#[derive(Debug, Default)]
pub(super) struct Warning(AtomicU64);

impl Warning {
    /// Whether this is the one that is written. Of several at once, one is.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let next = self.0.load(Ordering::Relaxed);
        let now = now.as_nanos();
        let then = now.saturating_add(plugin_core::clock::nanos(WHILE));
        // Relaxed: nothing is handed over with it.
        now >= next && self.0.compare_exchange(next, then, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_is_told_at_once_and_those_of_the_next_ten_seconds_are_not() {
        let warning = Warning::default();
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        assert!(warning.is_due(at(5)));
        assert!(!warning.is_due(at(5)) && !warning.is_due(at(10_004)));
        assert!(warning.is_due(at(10_005)));
        assert!(!warning.is_due(at(10_006)));
    }
}
