//! The decision: one status out of those of several checks.

use plugin_core::{HealthState, HealthStatus};

/// One status for many.
///
/// Any Offline or Unhealthy makes it Unhealthy; else any Degraded makes it Degraded; else any Unknown makes it Unknown.
/// The message names those that are not Healthy, the worst first. Of the times it has the newest check and the slowest
/// answer.
pub(crate) fn overall<'a>(all: impl IntoIterator<Item = (&'a str, &'a HealthStatus)>) -> HealthStatus {
    use HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown};
    const WORST_FIRST: [HealthState; 4] = [Offline, Unhealthy, Degraded, Unknown];

    let mut names = [const { Vec::new() }; 4];
    let mut overall = HealthStatus::default();
    for (name, status) in all {
        if let Some(index) = WORST_FIRST.iter().position(|state| *state == status.state) {
            names[index].push(name);
        }
        overall.last_check = overall.last_check.max(status.last_check);
        overall.response_time = overall.response_time.max(status.response_time);
    }
    let worst = names.iter().position(|names| !names.is_empty());
    overall.state = match worst.map(|index| WORST_FIRST[index]) {
        Some(Offline | Unhealthy) => Unhealthy,
        Some(state) => state,
        None => Healthy,
    };
    let parts = WORST_FIRST.iter().zip(&names).filter(|(_, names)| !names.is_empty());
    overall.message =
        parts.map(|(state, names)| format!("{state}: {}", names.join(", "))).collect::<Vec<_>>().join("; ");
    overall
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown};

    use super::*;

    fn judge(all: &[(&str, HealthState)]) -> (HealthState, String) {
        let all: Vec<_> = all.iter().map(|(name, state)| (*name, HealthStatus::new(*state, "x"))).collect();
        let overall = overall(all.iter().map(|(name, status)| (*name, status)));
        (overall.state, overall.message)
    }

    #[test]
    fn the_worst_decides_and_the_message_names_the_bad_ones() {
        assert_eq!(judge(&[]), (Healthy, String::new()));
        assert_eq!(judge(&[("a", Healthy)]), (Healthy, String::new()));
        assert_eq!(judge(&[("a", Healthy), ("b", Offline)]), (Unhealthy, "offline: b".into()));
        assert_eq!(judge(&[("a", Unhealthy), ("b", Degraded)]), (Unhealthy, "unhealthy: a; degraded: b".into()));
        assert_eq!(judge(&[("a", Degraded), ("b", Unknown), ("c", Degraded)]).0, Degraded);
        assert_eq!(judge(&[("a", Healthy), ("b", Unknown)]), (Unknown, "unknown: b".into()));
        assert_eq!(
            judge(&[("a", Unhealthy), ("b", Offline), ("c", Offline)]),
            (Unhealthy, "offline: b, c; unhealthy: a".into())
        );
    }

    #[test]
    fn it_has_the_newest_check_and_the_slowest_answer() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let first = HealthStatus::healthy().with_last_check(at(1)).with_response_time(Duration::from_secs(9));
        let second = HealthStatus::healthy().with_last_check(at(2)).with_response_time(Duration::from_secs(3));
        for all in [[("a", &first), ("b", &second)], [("a", &second), ("b", &first)]] {
            let overall = overall(all);
            assert_eq!((overall.last_check, overall.response_time.as_secs()), (Some(at(2)), 9));
        }
    }
}
