//! The JSON of the admin plane. Field names are stable.

use std::{collections::BTreeMap, time::Duration};

use plugin_core::{
    Code, HealthStatus,
    clock::{self, Instant},
    go_duration,
};
use plugin_lb::LastFailure;
use plugin_telemetry::{Status as CallStatus, TelemetryStats};
use plugin_transports::process::{ProcessEnd, ProcessHandle};
use serde::Serialize;

use super::{
    certificate::{CertificateJson, OwnedCertificate},
    limits::{ClientRateLimit, SharedStore},
    moment::{epoch_ms, short},
};
use crate::{
    manager::{DrainReport, Instances, OverallHealth, PluginView},
    server::ClientLimit,
};

#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    uptime: String,
    shutting_down: bool,
    plugins: usize,
    /// Of those, how many are being started for the first time, or wait for their turn.
    starting: usize,
    calls: u64,
    in_flight: usize,
    /// Those that the gateway shows, at its listeners and to plugins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<OwnedCertificate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_rate_limit: Option<ClientRateLimit>,
    /// Each Redis in which limits are kept that gateways share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_limits: Vec<SharedStore>,
}

impl Status {
    pub(super) fn of(
        plugins: &[PluginView],
        uptime: Duration,
        shutting_down: bool,
        certificates: Vec<OwnedCertificate>,
        client_limit: Option<&ClientLimit>,
    ) -> Self {
        let calls = plugins.iter().filter_map(|plugin| plugin.telemetry.as_ref()).map(|calls| calls.stats().total());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime: go_duration::format(Duration::from_secs(uptime.as_secs())),
            shutting_down,
            plugins: plugins.len(),
            starting: plugins.iter().filter(|plugin| plugin.state.is_to_come()).count(),
            calls: calls.sum(),
            in_flight: plugins.iter().map(|plugin| plugin.in_flight).sum(),
            certificates,
            client_rate_limit: client_limit.map(ClientRateLimit::of),
            shared_limits: SharedStore::all(plugins, client_limit),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Plugin {
    name: String,
    state: &'static str,
    /// Milliseconds since 1970; so are the others that end in `_ms`.
    since_ms: u64,
    version: String,
    transport: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    in_flight: usize,
    /// Of a supervised process: calls that were given up and that it has not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    abandoned: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker_since_ms: Option<u64>,
    /// While the circuit is open: until a call is let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker_next_try: Option<String>,
    /// The last call that failed on an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
    /// Of a supervised process: how the last one ended that did so by itself, or why it did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_end: Option<End>,
    /// Until its process is started next, while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_start: Option<String>,
    /// Its process has failed, and is not started again by itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waits_for_operator: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_starts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<Calls>,
    /// Of one that is reached over TLS: what is used on this side.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateJson>,
}

impl Plugin {
    pub(super) fn of(view: &PluginView) -> Self {
        let breaker = view.controls.breaker.as_ref().map(|breaker| breaker.stats());
        let next_try = breaker.as_ref().and_then(|breaker| breaker.next_attempt);
        let process = view.controls.process.as_ref().map(|process| process.stats());
        Self {
            name: view.name.clone(),
            state: view.state.as_str(),
            since_ms: since(view.since),
            version: view.info.version.clone(),
            transport: view.info.transport.clone(),
            description: view.info.description.clone(),
            in_flight: view.in_flight,
            abandoned: process.map(|process| process.abandoned),
            health: view.health.as_ref().map(|status| Check::of(status, view.health_since)),
            breaker: breaker.as_ref().map(|breaker| breaker.state.as_str()),
            breaker_since_ms: breaker.as_ref().map(|breaker| since(breaker.since)),
            breaker_next_try: next_try.map(|at| short(at.saturating_since(clock::now()))),
            last_failure: view
                .controls
                .instances
                .as_ref()
                .and_then(Instances::last_failure)
                .map(|(instance, failure)| Failure::of(&instance, &failure)),
            last_end: view.controls.process.as_ref().and_then(|process| process.last_end()).map(End::of),
            next_start: next_start(view),
            waits_for_operator: view.controls.process.as_ref().is_some_and(ProcessHandle::waits_for_operator),
            restarts: process.map(|process| process.restarts),
            failed_starts: process.map(|process| process.failed_starts),
            calls: view.telemetry.as_ref().map(|calls| Calls::of(&calls.stats())),
            certificate: view.controls.tls.as_ref().map(|tls| CertificateJson::of(&tls.status())),
        }
    }
}

/// A plugin whose process was restarted.
#[derive(Serialize)]
pub(super) struct Restarted {
    #[serde(flatten)]
    plugin: Plugin,
    /// Calls that the old process may have seen, and that got no answer.
    cut: u64,
}

impl Restarted {
    pub(super) fn of(view: &PluginView, cut: u64) -> Self {
        Self { plugin: Plugin::of(view), cut }
    }
}

/// The time until a plugin is started next, while it waits for that.
fn next_start(view: &PluginView) -> Option<String> {
    view.next_start.map(short)
}

/// The last failure of an instance.
#[derive(Serialize)]
pub(super) struct Failure {
    at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    message: String,
    instance: String,
}

impl Failure {
    pub(super) fn of(instance: &str, failure: &LastFailure) -> Self {
        Self {
            at_ms: epoch_ms(failure.at),
            code: failure.code.map(Code::as_str),
            message: failure.message.to_string(),
            instance: instance.to_owned(),
        }
    }
}

/// How a process ended.
#[derive(Serialize)]
struct End {
    at_ms: Option<u64>,
    why: String,
    /// Some lines of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

impl End {
    fn of(end: ProcessEnd) -> Self {
        Self { at_ms: epoch_ms(end.at), why: end.why, said: end.said }
    }
}

/// When that was, in milliseconds since 1970.
fn since(moment: Instant) -> u64 {
    clock::wall().checked_sub(moment.elapsed()).and_then(epoch_ms).unwrap_or_default()
}

#[derive(Serialize)]
struct Calls {
    total: u64,
    success: u64,
    failure: u64,
    refused: u64,
    cancelled: u64,
    /// Ended by a fault of the caller's.
    caller: u64,
    /// Of those that the plugin and the gateway are answerable for: neither what a caller did wrong nor one that went away
    /// says anything of them. `null` without any.
    success_rate_percent: Option<f64>,
    /// `null` before the first call, as the others are.
    min: Option<String>,
    mean: Option<String>,
    p50: Option<String>,
    p99: Option<String>,
    max: Option<String>,
    errors: BTreeMap<&'static str, u64>,
}

impl Calls {
    fn of(snapshot: &TelemetryStats) -> Self {
        let ended = |status| snapshot.ended(status);
        let [success, failure, refused] = [CallStatus::Success, CallStatus::Failure, CallStatus::Refused].map(ended);
        let answerable = success + failure + refused;
        let percent = || (success as f64 * 10_000.0 / answerable as f64).round() / 100.0;
        let total = snapshot.total();
        let time = |time| (total > 0).then(|| short(time));
        Self {
            total,
            success,
            failure,
            refused,
            cancelled: ended(CallStatus::Cancelled),
            caller: ended(CallStatus::Caller),
            success_rate_percent: (answerable > 0).then(percent),
            min: time(snapshot.min()),
            mean: time(snapshot.mean()),
            p50: time(snapshot.percentile(0.5)),
            p99: time(snapshot.percentile(0.99)),
            max: time(snapshot.max()),
            errors: snapshot.codes().iter().map(|(code, count)| (code.as_str(), *count)).collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    plugins: BTreeMap<String, Check>,
}

impl Health {
    /// The health of each is its own; the state of its breaker stands beside it.
    pub(super) fn of(health: &OverallHealth, plugins: &[PluginView]) -> Self {
        let view = |name: &str| plugins.iter().find(|view| view.name == name);
        Self {
            status: health.state.as_str(),
            message: health.message.clone(),
            plugins: health
                .plugins
                .iter()
                .map(|(name, status)| (name.clone(), Check::beside_breaker(status, view(name))))
                .collect(),
        }
    }
}

impl Health {
    /// What plugins say of themselves left out.
    pub(super) fn without_texts(mut self) -> Self {
        for check in self.plugins.values_mut() {
            check.message.clear();
            check.metadata.clear();
        }
        self
    }
}

#[derive(Serialize)]
struct Check {
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_check_ms: Option<u64>,
    response_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_ms: Option<u64>,
    /// Of the health of all: that of the plugin's circuit breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    /// Of the health of all: until the plugin's process is started next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_start: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl Check {
    fn beside_breaker(status: &HealthStatus, view: Option<&PluginView>) -> Self {
        let breaker = view.and_then(|view| view.controls.breaker.as_ref());
        let breaker = breaker.map(|breaker| breaker.state().as_str());
        let next_start = view.and_then(next_start);
        Self { breaker, next_start, ..Self::of(status, view.and_then(|view| view.health_since)) }
    }

    fn of(status: &HealthStatus, began: Option<Instant>) -> Self {
        Self {
            status: status.state.as_str(),
            message: status.message.clone(),
            last_check_ms: status.last_check.and_then(epoch_ms),
            response_time: short(status.response_time),
            since_ms: began.map(since),
            breaker: None,
            next_start: None,
            metadata: status.metadata.clone(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct DrainQuery {
    name: String,
    clean: bool,
    took: String,
    unfinished: usize,
    cut: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_error: Option<String>,
    undone: bool,
}

impl DrainQuery {
    pub(super) fn of(report: &DrainReport) -> Self {
        Self {
            name: report.name.clone(),
            clean: report.is_clean(),
            took: short(report.took),
            unfinished: report.unfinished,
            cut: report.cut,
            close_error: report.close_error.clone(),
            undone: report.undone,
        }
    }
}
