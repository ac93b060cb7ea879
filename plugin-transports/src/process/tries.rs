//! Limits how often the log says that a failed process is tried again. Pure: takes `now`, touches no clock.

use std::time::Duration;

use plugin_core::clock::Instant;

/// While it stays so, it is told this often: who was woken by the first line needs no other, and who reads the log later finds
/// one wherever he looks.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What the log says of a process that has died, or not started, once too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// That it has failed.
    First,
    /// That it still has, after so many tries that were not told, this one included.
    Still {
        tries: u32,
    },
    Nothing,
}

/// The tries of a process that has failed.
#[derive(Debug, Default)]
pub(super) struct Tries {
    told: Option<Instant>,
    untold: u32,
}

impl Tries {
    /// It has failed, or is still failed after another try.
    pub(super) fn failed(&mut self, now: Instant) -> Tell {
        self.untold = self.untold.saturating_add(1);
        let tell = match self.told {
            None => Tell::First,
            Some(told) if now.saturating_since(told) >= TOLD_EVERY => Tell::Still { tries: self.untold },
            Some(_) => return Tell::Nothing,
        };
        (self.told, self.untold) = (Some(now), 0);
        tell
    }

    /// It has not failed any more.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_stays_failed_is_told_once_and_then_once_a_minute_with_the_number_of_tries() {
        let at = |second: u64| Instant::from_nanos(second * 1_000_000_000);
        let mut tries = Tries::default();
        // An hour of tries, one in twenty seconds.
        let told: Vec<_> = (0..180).map(|n| tries.failed(at(n * 20))).filter(|tell| *tell != Tell::Nothing).collect();
        assert_eq!((told[0], told.len()), (Tell::First, 60));
        assert!(told[1..].iter().all(|tell| *tell == Tell::Still { tries: 3 }), "{told:?}");
        tries.begin_anew();
        assert_eq!(tries.failed(at(3601)), Tell::First);
    }
}
