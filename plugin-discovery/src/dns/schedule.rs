//! When it asks again. A pure decision: the caller brings the randomness.

use std::time::Duration;

use plugin_core::{Backoff, ConfigError, Jitter};

use super::DnsConfig;

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    min: Duration,
    max: Duration,
    jitter: f64,
    backoff: Backoff,
    /// Rounds without a whole set that is not empty, in a row.
    faults: u32,
}

impl Schedule {
    pub(super) fn new(config: &DnsConfig) -> Result<Self, ConfigError> {
        let (min, max, jitter) = (config.min_interval(), config.max_interval(), config.jitter());
        let backoff = Backoff::new(min, max, 2.0, Jitter::Proportional(jitter))?;
        Ok(Self { min, max, jitter, backoff, faults: 0 })
    }

    /// The wait after a whole set that lives for so long.
    pub(super) fn after_set(&mut self, time_to_live: Duration, random: f64) -> Duration {
        self.faults = 0;
        time_to_live.clamp(self.min, self.max).mul_f64(1.0 + self.jitter * random)
    }

    /// The wait after anything else.
    pub(super) fn after_fault(&mut self, random: f64) -> Duration {
        let wait = self.backoff.wait(self.faults, Duration::ZERO, random);
        self.faults = self.faults.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(&DnsConfig::default()).expect("in bounds")
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_to_live_decides_within_the_two_bounds() {
        let wait = |time| schedule().after_set(seconds(time), 0.0).as_secs();
        assert_eq!([0, 4, 5, 6, 59, 60, 61, 2_147_483_647].map(wait), [5, 5, 5, 6, 59, 60, 60, 60]);
    }

    #[test]
    fn jitter_asks_later_and_never_sooner() {
        let wait = |random| schedule().after_set(seconds(20), random).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(wait), [20_000, 21_000, 22_000]);
    }

    #[test]
    fn faults_in_a_row_are_asked_after_ever_later_and_a_set_begins_anew() {
        let mut schedule = schedule();
        let waits: Vec<_> = (0..6).map(|_| schedule.after_fault(0.5).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        schedule.after_set(seconds(20), 0.0);
        assert_eq!(schedule.after_fault(0.5), seconds(5));
    }
}
