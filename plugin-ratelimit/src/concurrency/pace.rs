//! How fast a line moves, to know who waits in vain.

use std::time::Duration;

use plugin_core::clock::Instant;

/// The mean time between two who are served while somebody waits.
///
/// It is an exponentially weighted mean with a weight of an eighth, as TCP smooths its round trips (RFC 6298): a line moves
/// unevenly, and a few slow calls must not turn everybody away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    last: Instant,
    /// Nanoseconds; zero until somebody was served.
    mean: u64,
}

impl Pace {
    /// Somebody waits who was alone in the line until now.
    pub(crate) fn begin(&mut self, now: Instant) {
        *self = Self { last: now, mean: 0 };
    }

    /// Somebody was served.
    pub(crate) fn served(&mut self, now: Instant) {
        let took = now.as_nanos().saturating_sub(self.last.as_nanos());
        self.mean = if self.mean == 0 { took } else { self.mean - self.mean / 8 + took / 8 };
        self.last = now;
    }

    /// Whether one with this many ahead would be late although the line moved twice as fast as it does. Nothing is said
    /// before anybody has been served, nor when there is nobody ahead.
    pub(crate) fn is_hopeless(&self, ahead: usize, time: Duration) -> bool {
        let ahead = u128::try_from(ahead).unwrap_or(u128::MAX);
        u128::from(self.mean).saturating_mul(ahead) / 2 > time.as_nanos()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn pace(between: &[u64]) -> Pace {
        let mut pace = Pace::default();
        let mut now = 5 * MS;
        pace.begin(Instant::from_nanos(now));
        for gap in between {
            now += gap * MS;
            pace.served(Instant::from_nanos(now));
        }
        pace
    }

    #[test]
    fn who_would_be_late_at_twice_the_pace_waits_in_vain_and_nobody_else() {
        let pace = pace(&[10; 20]);
        assert!(pace.is_hopeless(21, Duration::from_millis(100)));
        assert!(!pace.is_hopeless(20, Duration::from_millis(100)));
        assert!(!pace.is_hopeless(0, Duration::ZERO), "nobody is ahead");
        assert!(pace.is_hopeless(usize::MAX, Duration::from_secs(1 << 40)));
    }

    #[test]
    fn nothing_is_said_of_a_line_in_which_nobody_was_served() {
        assert!(!pace(&[]).is_hopeless(1_000_000, Duration::ZERO));
    }

    #[test]
    fn one_slow_call_among_many_turns_nobody_away() {
        let mut between = vec![1; 50];
        between.push(30);
        assert!(!pace(&between).is_hopeless(40, Duration::from_millis(100)));
        assert!(pace(&[30; 50]).is_hopeless(40, Duration::from_millis(100)));
    }
}
