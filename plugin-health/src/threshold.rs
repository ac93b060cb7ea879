//! The decision: the state after a series of successes and failures.

use plugin_core::{HealthState, clock::Instant};

use crate::{HealthConfig, flaps::Flaps};

/// Counts results in a row, and decides the state.
///
/// A failure makes it Unhealthy, and as many in a row as the limit make it Offline; a failure never improves anything.
/// A success counts for what the check reported, Healthy or Degraded. From Unhealthy or Offline it takes as many in a
/// row as the success limit, and from Offline more where it goes there often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Threshold {
    failure_limit: u32,
    success_limit: u32,
    flaps: Flaps,
    failures: u32,
    successes: u32,
    state: HealthState,
}

impl Threshold {
    pub(crate) fn new(config: &HealthConfig) -> Self {
        Self {
            failure_limit: config.failure_limit(),
            success_limit: config.success_limit(),
            flaps: Flaps::new(config.flap_window()),
            failures: 0,
            successes: 0,
            state: HealthState::Unknown,
        }
    }

    /// Failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Successes since the last failure.
    pub(crate) fn successes(&self) -> u32 {
        self.successes
    }

    /// The successes in a row that bring it back from where it is.
    pub(crate) fn needed(&self) -> u32 {
        match self.state {
            HealthState::Offline => self.flaps.needed(self.success_limit),
            _ => self.success_limit,
        }
    }

    /// Counts a result; `reported` is a success when it is Healthy or Degraded. Gives back the state.
    pub(crate) fn record(&mut self, reported: HealthState, now: Instant) -> HealthState {
        use HealthState::{Offline, Unhealthy};
        if reported.is_serving() {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            let down = matches!(self.state, Unhealthy | Offline);
            if !down || self.successes >= self.needed() {
                self.state = reported;
                self.flaps.came_back(now);
            }
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            if self.failures >= self.failure_limit {
                if self.state != Offline {
                    self.flaps.fell(now);
                }
                self.state = Offline;
            } else if self.state != Offline {
                self.state = Unhealthy;
            }
        }
        self.state
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown};
    use proptest::prelude::*;

    use super::*;

    fn threshold(failure_limit: u32, success_limit: u32, flap_window: Option<Duration>) -> Threshold {
        let config = HealthConfig::builder().with_failure_limit(failure_limit).with_success_limit(success_limit);
        Threshold::new(&config.with_flap_window(flap_window).build().expect("valid"))
    }

    /// One report in each second.
    fn follow(mut threshold: Threshold, reports: &[HealthState]) -> Vec<HealthState> {
        let at = (0..).map(|second| Instant::from_nanos(second * 1_000_000_000));
        reports.iter().zip(at).map(|(reported, now)| threshold.record(*reported, now)).collect()
    }

    fn states(failure_limit: u32, success_limit: u32, reports: &[HealthState]) -> Vec<HealthState> {
        follow(threshold(failure_limit, success_limit, None), reports)
    }

    #[test]
    fn what_goes_offline_again_and_again_needs_more_successes_and_what_is_unhealthy_does_not() {
        let window = Some(Duration::from_secs(60));
        let reports = [Unhealthy, Healthy, Unhealthy, Healthy, Healthy, Unhealthy, Healthy, Healthy, Healthy, Healthy];
        let damped = follow(threshold(1, 1, window), &reports);
        assert_eq!(damped, [Offline, Healthy, Offline, Offline, Healthy, Offline, Offline, Offline, Offline, Healthy]);
        let blips = [Unhealthy, Healthy].repeat(50);
        assert_eq!(follow(threshold(2, 1, window), &blips), blips, "fewer failures than the limit are no fall");
    }

    #[test]
    fn below_the_limit_it_is_unhealthy_and_at_the_limit_offline() {
        assert_eq!(states(3, 1, &[Unhealthy, Offline, Unknown, Unhealthy]), [Unhealthy, Unhealthy, Offline, Offline]);
        assert_eq!(states(1, 1, &[Unhealthy]), [Offline]);
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let reports = [Unhealthy, Unhealthy, Healthy, Unhealthy, Unhealthy, Unhealthy];
        assert_eq!(states(3, 1, &reports), [Unhealthy, Unhealthy, Healthy, Unhealthy, Unhealthy, Offline]);
    }

    #[test]
    fn degraded_is_a_success_and_passes_through() {
        assert_eq!(states(2, 1, &[Degraded, Healthy, Degraded]), [Degraded, Healthy, Degraded]);
        assert_eq!(states(2, 1, &[Unhealthy, Degraded, Unhealthy]), [Unhealthy, Degraded, Unhealthy]);
    }

    #[test]
    fn it_takes_the_success_limit_to_come_back_and_one_success_to_be_known() {
        assert_eq!(states(1, 3, &[Healthy]), [Healthy]);
        let reports = [Unhealthy, Healthy, Degraded, Healthy, Healthy];
        assert_eq!(states(1, 3, &reports), [Offline, Offline, Offline, Healthy, Healthy]);
    }

    #[test]
    fn a_failure_on_the_way_back_starts_over_and_never_improves_the_state() {
        let reports = [Unhealthy, Unhealthy, Healthy, Unhealthy, Healthy, Healthy];
        assert_eq!(states(2, 2, &reports), [Unhealthy, Offline, Offline, Offline, Offline, Healthy]);
    }

    proptest! {
        /// Judged over the whole history instead of by counters.
        #[test]
        fn it_agrees_with_a_reading_of_the_whole_history(
            failure_limit in 1u32..5, success_limit in 1u32..5, picks in prop::collection::vec(0usize..5, 1..60),
        ) {
            let reports: Vec<_> = picks.iter().map(|pick| [Healthy, Degraded, Unhealthy, Offline, Unknown][*pick]).collect();
            let mut threshold = threshold(failure_limit, success_limit, None);
            let mut down: Option<HealthState> = None;
            for end in 1..=reports.len() {
                let last = reports[end - 1];
                let run = reports[..end].iter().rev().take_while(|report| report.is_serving() == last.is_serving()).count();
                let expected = if last.is_serving() {
                    match down {
                        Some(state) if run < success_limit as usize => state,
                        _ => { down = None; last }
                    }
                } else {
                    let worst = if run >= failure_limit as usize || down == Some(Offline) { Offline } else { Unhealthy };
                    down = Some(worst);
                    worst
                };
                prop_assert_eq!(threshold.record(last, Instant::ZERO), expected);
                let counted = if last.is_serving() { threshold.successes() } else { threshold.failures() };
                prop_assert_eq!(counted as usize, run);
            }
        }
    }
}
