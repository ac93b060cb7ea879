//! The list of metric families, read by the Prometheus page and by every other recorder.

use plugin_ratelimit::{
    SharedMode,
    concurrency::{ConcurrencyLimitHandle, ConcurrencyLimitStats},
};
use plugin_telemetry::{Status, TelemetryStats};
use plugin_transports::tls::{ClientTls, TlsStatus};

use super::certificate::CertificateFigure;
use crate::manager::{Instances, PluginView, RateLimitControl};

/// The histogram of durations.
pub(super) const DURATION: &str = "plugin_request_duration_seconds";
pub(super) const DURATION_HELP: &str = "Time from receiving a call to its end, all attempts included.";

/// Whether a number only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyKind {
    Counter,
    Gauge,
}

/// A label besides the plugin's name.
pub(super) type Label = Option<(&'static str, &'static str)>;

/// Numbers under one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: FamilyKind,
    /// Tells each number of one plugin, always in the same order.
    pub(super) tell: Tell,
}

/// Every family but the histogram.
pub(super) static FAMILIES: [Family; 26] = [
    Family {
        name: "plugin_requests_total",
        help: "Calls that ended, by status: success, failure, refused, cancelled, caller (its fault).",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| {
            if let Some(calls) = &plugin.calls {
                Status::ALL.iter().for_each(|status| tell(Some(("status", status.as_str())), calls.ended(*status)));
            }
        },
    },
    Family {
        name: "plugin_errors_total",
        help: "Calls that ended in an error, by its code.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| {
            if let Some(calls) = &plugin.calls {
                calls.codes().iter().for_each(|(code, count)| tell(Some(("code", code.as_str())), *count));
            }
        },
    },
    Family {
        name: "plugin_active_requests",
        help: "Calls that are running.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.calls.as_ref().map(TelemetryStats::active), tell),
    },
    Family {
        name: "plugin_abandoned_requests",
        help: "Calls that a supervised process was sent and that nobody waits for any more, since the latest that it answered.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.abandoned, tell),
    },
    Family {
        name: "plugin_state",
        help: "The state: 0 serving, 1 starting, 2 restarting, 3 failed, 4 draining, 5 drained, 6 disabled.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| tell(None, plugin.state),
    },
    Family {
        name: "plugin_circuit_breaker_state",
        help: "The circuit breaker's state: 0 closed, 1 open, 2 half-open.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.breaker, tell),
    },
    Family {
        name: "plugin_health_state",
        help: "The health: 0 unknown, 1 healthy, 2 degraded, 3 unhealthy, 4 offline.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.health, tell),
    },
    Family {
        name: "plugin_rate_limit_refusals_total",
        help: "Calls that the rate limit refused.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.rate_limited, tell),
    },
    Family {
        name: "plugin_rate_limit_keys",
        help: "Keys that have a bucket of their own, where the rate limit is kept for each key on this machine.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.rate_limit_keys, tell),
    },
    Family {
        name: "plugin_rate_limit_shared",
        help: "Who decides a rate limit that many machines share: 1 Redis, 0 this machine by its share.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.rate_limit_shared, tell),
    },
    Family {
        name: "plugin_concurrency_limit",
        help: "Calls that may be in flight at once.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.concurrency.and_then(|stats| stats.limit).map(u64::from), tell),
    },
    Family {
        name: "plugin_concurrency_waiting",
        help: "Calls that wait for a place, and attempts that wait for one at an instance.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.concurrency_waiting, tell),
    },
    Family {
        name: "plugin_concurrency_refusals_total",
        help: "Calls that the concurrency limit refused, and attempts that one of an instance refused.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.concurrency_refused, tell),
    },
    Family {
        name: "plugin_concurrency_per_key_refusals_total",
        help: "Calls that the concurrency limit of their client, address or header refused.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.concurrency_per_key_refused, tell),
    },
    Family {
        name: "plugin_throttle_refusals_total",
        help: "Calls that the adaptive throttle refused.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.throttled, tell),
    },
    Family {
        name: "plugin_ejected_instances",
        help: "Instances that get no calls now, as outliers.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.ejected, tell),
    },
    Family {
        name: "plugin_ejections_total",
        help: "How often an instance was found to be an outlier, and got no calls for a time.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.ejections, tell),
    },
    Family {
        name: "plugin_balancer_in_panic",
        help: "1 while so few instances are up that health is ignored, and calls go to those that are down too.",
        kind: FamilyKind::Gauge,
        tell: |plugin, tell| one(plugin.in_panic, tell),
    },
    Family {
        name: "plugin_retries_total",
        help: "Attempts after the first.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.retries, tell),
    },
    Family {
        name: "plugin_restarts_total",
        help: "Starts of a supervised process after the first, whether it became ready or not.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.restarts, tell),
    },
    Family {
        name: "plugin_failed_starts_total",
        help: "Starts of a supervised process that failed, the first one too.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.failed_starts, tell),
    },
    Family {
        name: "plugin_dropped_log_lines_total",
        help: "Lines on the stderr of a supervised process that were more than it may log, and were dropped.",
        kind: FamilyKind::Counter,
        tell: |plugin, tell| one(plugin.dropped_lines, tell),
    },
    of_certificate(&CertificateFigure::EXPIRY, |plugin, tell| plugin.certificate(&CertificateFigure::EXPIRY, tell)),
    of_certificate(&CertificateFigure::REFUSED, |plugin, tell| plugin.certificate(&CertificateFigure::REFUSED, tell)),
    of_certificate(&CertificateFigure::RENEWALS, |plugin, tell| plugin.certificate(&CertificateFigure::RENEWALS, tell)),
    of_certificate(&CertificateFigure::REFUSALS, |plugin, tell| plugin.certificate(&CertificateFigure::REFUSALS, tell)),
];

/// Tells each number of one plugin.
type Tell = fn(&Reading<'_>, &mut dyn FnMut(Label, u64));

const fn of_certificate(figure: &CertificateFigure, tell: Tell) -> Family {
    let kind = if figure.is_count { FamilyKind::Counter } else { FamilyKind::Gauge };
    Family { name: figure.of_plugins, help: figure.help, kind, tell }
}

fn one(value: Option<u64>, tell: &mut dyn FnMut(Label, u64)) {
    if let Some(value) = value {
        tell(None, value);
    }
}

/// Of all limits, where there are any.
fn sum(limits: &[ConcurrencyLimitStats], of: impl Fn(&ConcurrencyLimitStats) -> u64) -> Option<u64> {
    (!limits.is_empty()).then(|| limits.iter().map(of).sum())
}

/// Whether this name is one of the above.
pub(super) fn is_family(name: &str) -> bool {
    name == DURATION || FAMILIES.iter().any(|family| family.name == name)
}

/// One plugin's numbers at one moment. None where it has no such layer.
pub(super) struct Reading<'p> {
    pub(super) plugin: &'p str,
    pub(super) calls: Option<TelemetryStats>,
    state: u64,
    abandoned: Option<u64>,
    breaker: Option<u64>,
    health: Option<u64>,
    rate_limited: Option<u64>,
    rate_limit_keys: Option<u64>,
    rate_limit_shared: Option<u64>,
    concurrency: Option<ConcurrencyLimitStats>,
    concurrency_waiting: Option<u64>,
    concurrency_refused: Option<u64>,
    concurrency_per_key_refused: Option<u64>,
    throttled: Option<u64>,
    ejected: Option<u64>,
    ejections: Option<u64>,
    in_panic: Option<u64>,
    retries: Option<u64>,
    restarts: Option<u64>,
    failed_starts: Option<u64>,
    dropped_lines: Option<u64>,
    tls: Option<TlsStatus>,
}

impl<'p> Reading<'p> {
    pub(super) fn of(plugin: &'p PluginView) -> Self {
        let controls = &plugin.controls;
        let process = controls.process.as_ref().map(|process| process.stats());
        let instances = controls.instance_concurrency.iter().map(|(_, limit)| limit);
        // Those that are there: of one that was removed nothing is counted any more.
        let ejects = controls.instances.as_ref().filter(|instances| instances.ejects());
        let stats = ejects.map(Instances::stats);
        let limits: Vec<_> = controls.concurrency.iter().chain(instances).map(ConcurrencyLimitHandle::stats).collect();
        Self {
            plugin: &plugin.name,
            calls: plugin.telemetry.as_ref().map(|telemetry| telemetry.stats()),
            state: plugin.state.metric(),
            abandoned: process.map(|process| process.abandoned as u64),
            breaker: controls.breaker.as_ref().map(|breaker| u64::from(breaker.state().metric())),
            health: plugin.health.as_ref().map(|health| health.state as u64),
            rate_limited: controls.rate_limit.as_ref().map(|limit| limit.decisions().1),
            rate_limit_keys: match &controls.rate_limit {
                Some(RateLimitControl::Keyed(handle, _)) => Some(handle.stats().keys as u64),
                _ => None,
            },
            rate_limit_shared: match &controls.rate_limit {
                Some(RateLimitControl::Shared(bucket, _)) => {
                    Some(u64::from(bucket.stats().status.mode == SharedMode::Shared))
                }
                _ => None,
            },
            concurrency: controls.concurrency.as_ref().map(|limit| limit.stats()),
            concurrency_waiting: sum(&limits, |stats| u64::from(stats.waiting)),
            concurrency_refused: sum(&limits, |stats| stats.refused),
            concurrency_per_key_refused: controls.concurrency_per_key.as_ref().map(|(_, limit)| limit.stats().refused),
            throttled: controls.adaptive_throttle.as_ref().map(|throttle| throttle.stats().refused),
            ejected: stats.as_ref().map(|all| all.iter().filter(|one| one.ejected_for.is_some()).count() as u64),
            ejections: stats.as_ref().map(|all| all.iter().map(|one| one.ejections).sum()),
            in_panic: controls
                .instances
                .as_ref()
                .filter(|instances| instances.may_panic())
                .map(|instances| u64::from(instances.tiers().iter().any(|tier| tier.in_panic))),
            retries: controls.retry.as_ref().map(|retry| retry.stats().retries),
            restarts: process.map(|process| process.restarts),
            failed_starts: process.map(|process| process.failed_starts),
            dropped_lines: process.map(|process| process.dropped_lines),
            tls: controls.tls.as_ref().map(ClientTls::status),
        }
    }

    fn certificate(&self, figure: &CertificateFigure, tell: &mut dyn FnMut(Label, u64)) {
        one(self.tls.as_ref().and_then(figure.read), tell);
    }
}
