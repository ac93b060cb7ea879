//! The decision: whether what a call came to is a reason to check now.

use plugin_core::HealthState;

/// What a call said of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    Success,
    Failure,
}

/// Whether to check now. `in_a_row` are the failures since the last success or check that was asked for, this one included.
///
/// Only where calls and the last check disagree does a check tell something new. Calls decide nothing themselves: two that both
/// set one state would take turns for as long as they disagree.
pub(super) fn is_worth_a_check(evidence: Evidence, in_a_row: u32, limit: u32, state: HealthState) -> bool {
    match (evidence, state) {
        (Evidence::Success, state) => matches!(state, HealthState::Unhealthy | HealthState::Offline),
        (Evidence::Failure, HealthState::Offline) => false,
        (Evidence::Failure, _) => in_a_row >= limit,
    }
}

#[cfg(test)]
mod tests {
    use HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown};

    use super::*;

    #[test]
    fn a_check_is_worth_it_where_calls_and_the_last_check_disagree() {
        let ask = |evidence, in_a_row| {
            [Unknown, Healthy, Degraded, Unhealthy, Offline].map(|state| is_worth_a_check(evidence, in_a_row, 5, state))
        };
        assert_eq!(ask(Evidence::Success, 0), [false, false, false, true, true]);
        assert_eq!(ask(Evidence::Failure, 4), [false; 5]);
        assert_eq!(ask(Evidence::Failure, 5), [true, true, true, true, false]);
    }
}
