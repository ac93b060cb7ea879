//! The decision: what is said of something that is checked and told of from outside.

use std::time::Duration;

use plugin_core::{Code, HealthState, HealthStatus, clock::Instant, rounded};

use crate::{HealthConfig, threshold::Threshold};

/// What checks say, and above that what somebody told, for as long as that holds.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    config: HealthConfig,
    threshold: Threshold,
    /// What checks say. Unknown before the first.
    checked: HealthStatus,
    told: Option<Told>,
}

#[derive(Clone, Debug)]
struct Told {
    status: HealthStatus,
    /// When it holds no longer, and for how long it was to. `None`: until something else is told.
    until: Option<(Instant, Duration)>,
}

impl Verdict {
    pub(crate) fn new(config: HealthConfig) -> Self {
        Self { config, threshold: Threshold::new(&config), checked: HealthStatus::default(), told: None }
    }

    /// Failed checks since the last good one.
    pub(crate) fn failures(&self) -> u32 {
        self.threshold.failures()
    }

    /// When what was told holds no longer.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.told.as_ref()?.until.map(|(until, _)| until)
    }

    /// Begins with clean counts: somebody else knew better meanwhile.
    pub(crate) fn forget(&mut self) {
        self.threshold = Threshold::new(&self.config);
    }

    /// A check came to this. Gives back what is said now; `None`: nothing was found out and nothing told.
    pub(crate) fn checked(&mut self, mut status: HealthStatus, now: Instant) -> Option<HealthStatus> {
        if status.is_not_checked() {
            return self.standing();
        }
        let reported = status.state;
        status.state = self.threshold.record(reported, now);
        if reported.is_serving() && !status.state.is_serving() {
            let (good, needed) = (self.threshold.successes(), self.threshold.needed());
            status.message = format!("{good} of {needed} good checks needed to come back");
        } else if !status.state.is_serving() && status.message.is_empty() {
            status.message = format!("the health check failed ({})", Code::Unhealthy);
        }
        self.checked = status;
        Some(self.standing().unwrap_or_else(|| self.checked.clone()))
    }

    /// What was told and still holds. It is said again with each check, for an owner may have held the cell meanwhile.
    pub(crate) fn standing(&self) -> Option<HealthStatus> {
        self.told.as_ref().map(|told| told.status.clone())
    }

    /// Somebody told this, and what he says holds for so long. Gives back what is said now.
    pub(crate) fn told(&mut self, status: HealthStatus, holds: Option<Duration>, now: Instant) -> HealthStatus {
        let until = holds.map(|holds| (now.saturating_add(holds), holds));
        self.told = Some(Told { status: status.clone(), until });
        status
    }

    /// What was told counts no longer. Gives back what is said now, if something was told.
    pub(crate) fn withdrawn(&mut self) -> Option<HealthStatus> {
        self.told.take().map(|_| self.checked.clone())
    }

    /// Takes back what was told and holds no longer. Gives back what is said now, if it is another thing than before.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<HealthStatus> {
        let (_, holds) = self.told.as_ref()?.until.filter(|(until, _)| *until <= now)?;
        self.told = None;
        if self.checked.state != HealthState::Unknown {
            return Some(self.checked.clone());
        }
        let stale = format!("nothing was heard of it for {}", rounded(holds));
        Some(HealthStatus::new(HealthState::Unknown, stale))
    }
}

#[cfg(test)]
mod tests {
    use HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn state(said: Option<HealthStatus>) -> Option<HealthState> {
        said.map(|status| status.state)
    }

    #[test]
    fn what_was_told_stands_above_checks_until_it_is_over_and_checks_count_meanwhile() {
        let config = HealthConfig::builder().with_failure_limit(2).build().expect("valid");
        let mut verdict = Verdict::new(config);
        assert_eq!(state(verdict.checked(HealthStatus::healthy(), at(0))), Some(Healthy));
        assert_eq!(verdict.told(HealthStatus::degraded("a deploy"), Some(3 * SECOND), at(1)).state, Degraded);
        assert_eq!(verdict.until(), Some(at(4)));
        assert_eq!(state(verdict.checked(HealthStatus::unhealthy(""), at(2))), Some(Degraded));
        assert_eq!(state(verdict.checked(HealthStatus::unhealthy(""), at(3))), Some(Degraded));
        assert_eq!((verdict.failures(), state(verdict.expired(at(3)))), (2, None));
        assert_eq!(state(verdict.expired(at(4))), Some(Offline), "what the two checks came to");
        assert_eq!((verdict.until(), state(verdict.expired(at(5)))), (None, None));
    }

    #[test]
    fn what_nobody_checks_is_unknown_when_what_was_told_is_over() {
        let mut verdict = Verdict::new(HealthConfig::default());
        assert_eq!(state(verdict.checked(HealthStatus::not_checked(""), at(0))), None);
        verdict.told(HealthStatus::healthy(), Some(3 * SECOND), at(0));
        verdict.told(HealthStatus::healthy(), Some(3 * SECOND), at(2));
        assert_eq!(state(verdict.expired(at(4))), None, "it was told again");
        let stale = verdict.expired(at(5)).expect("it is over");
        assert_eq!((stale.state, stale.message.as_str()), (Unknown, "nothing was heard of it for 3s"));
    }

    #[test]
    fn what_holds_without_end_ends_when_it_is_withdrawn() {
        let mut verdict = Verdict::new(HealthConfig::default());
        verdict.told(HealthStatus::unhealthy("by hand"), None, at(0));
        assert_eq!((verdict.until(), state(verdict.expired(Instant::MAX))), (None, None));
        assert_eq!(state(verdict.checked(HealthStatus::not_checked(""), at(1))), Some(Unhealthy));
        assert_eq!(state(verdict.checked(HealthStatus::healthy(), at(1))), Some(Unhealthy));
        assert_eq!(state(verdict.withdrawn()), Some(Healthy));
        assert_eq!(state(verdict.withdrawn()), None);
        assert_eq!(state(verdict.checked(HealthStatus::unhealthy(""), at(2))), Some(Unhealthy));
    }
}
