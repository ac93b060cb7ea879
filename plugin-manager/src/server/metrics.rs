//! The metrics of all plugins, published through the `metrics` facade when somebody scrapes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use plugin_core::{
    Code,
    telemetry::{Snapshot, Status, bucket_bounds},
};

use crate::manager::PluginView;

mod name {
    pub(super) const REQUESTS: &str = "plugin_requests_total";
    pub(super) const DURATION: &str = "plugin_request_duration_seconds";
    pub(super) const ACTIVE: &str = "plugin_active_requests";
    pub(super) const ERRORS: &str = "plugin_errors_total";
    pub(super) const BREAKER: &str = "plugin_circuit_breaker_state";
    pub(super) const RATE_LIMITED: &str = "plugin_rate_limit_refusals_total";
    pub(super) const RETRIES: &str = "plugin_retries_total";
    pub(super) const HEALTH: &str = "plugin_health_state";
    pub(super) const RESTARTS: &str = "plugin_restarts_total";
    pub(super) const FAILED_STARTS: &str = "plugin_failed_starts_total";
}

static METADATA: Metadata<'static> = Metadata::new("plugin_manager", Level::INFO, Some("plugin_manager"));

/// Publishes what the plugins' layers have counted, and renders it for Prometheus.
///
/// Layers count in cells of their own, which costs a call much less than the facade does. A scrape adds to the facade
/// what has come since the last one. Only plugins that are registered have series, so a caller cannot make any.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    published: Arc<Mutex<HashMap<String, Published>>>,
}

/// What has been published of one plugin.
#[derive(Default)]
struct Published {
    calls: Option<Snapshot>,
    rate_limited: u64,
    retries: u64,
    restarts: u64,
    failed_starts: u64,
}

impl Metrics {
    /// Metrics in a recorder of their own.
    #[must_use]
    pub fn new() -> Self {
        // Every fourth bound of the layers' buckets, so that each of theirs lies in one of these.
        let bounds: Vec<f64> = bucket_bounds().step_by(4).skip(6).map(|bound| bound.as_secs_f64()).collect();
        let builder = PrometheusBuilder::new();
        let builder = match builder.set_buckets_for_metric(Matcher::Full(name::DURATION.to_owned()), &bounds) {
            Ok(builder) => builder,
            // The only error is an empty list of bounds.
            Err(_) => PrometheusBuilder::new(),
        };
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let metrics = Self { recorder: Arc::new(recorder), handle, published: Arc::default() };
        metrics.describe();
        metrics
    }

    /// The recorder, to be installed as the global one: an application's own metrics then join the same scrape.
    #[must_use]
    pub fn recorder(&self) -> Arc<PrometheusRecorder> {
        Arc::clone(&self.recorder)
    }

    /// Publishes what has come since the last time, and renders everything in Prometheus' text format.
    #[must_use]
    pub fn scrape(&self, plugins: &[PluginView]) -> String {
        self.publish(plugins);
        self.handle.run_upkeep();
        self.handle.render()
    }

    fn publish(&self, plugins: &[PluginView]) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.retain(|name, _| plugins.iter().any(|plugin| plugin.name == *name));
        for plugin in plugins {
            let before = published.entry(plugin.name.clone()).or_default();
            if let Some(telemetry) = &plugin.telemetry {
                let now = telemetry.snapshot();
                self.publish_calls(&plugin.name, before.calls.as_ref(), &now);
                before.calls = Some(now);
            }
            if let Some(health) = &plugin.health {
                self.gauge(name::HEALTH, &plugin.name, f64::from(health.state as u8));
            }
            self.publish_controls(plugin, before);
        }
    }

    fn publish_calls(&self, plugin: &str, before: Option<&Snapshot>, now: &Snapshot) {
        // Counts that went back belong to a plugin that was registered anew under the name.
        let before = before.filter(|before| before.total() <= now.total());
        for status in Status::ALL {
            let count = now.ended(status) - before.map_or(0, |before| before.ended(status)).min(now.ended(status));
            self.count(name::REQUESTS, &[("plugin", plugin), ("status", status.as_str())], count);
        }
        for (code, count) in now.codes() {
            let old = before.map_or(0, |before| count_of(before, *code)).min(*count);
            self.count(name::ERRORS, &[("plugin", plugin), ("code", code.as_str())], count - old);
        }
        self.gauge(name::ACTIVE, plugin, now.active() as f64);
        let histogram = self.recorder.register_histogram(&key(name::DURATION, &[("plugin", plugin)]), &METADATA);
        for (index, bucket) in now.buckets().iter().enumerate() {
            let old = before.map(|before| before.buckets()[index]).unwrap_or_default();
            let count = bucket.count.saturating_sub(old.count);
            if count > 0 {
                let mean = bucket.sum.saturating_sub(old.sum).as_secs_f64() / count as f64;
                histogram.record_many(mean, usize::try_from(count).unwrap_or(usize::MAX));
            }
        }
    }

    fn publish_controls(&self, plugin: &PluginView, before: &mut Published) {
        let controls = &plugin.controls;
        let labels = &[("plugin", plugin.name.as_str())];
        if let Some(breaker) = &controls.breaker {
            self.gauge(name::BREAKER, &plugin.name, f64::from(breaker.state().metric()));
        }
        let process = controls.process.as_ref().map(|process| process.stats());
        let counts = [
            (
                name::RATE_LIMITED,
                controls.rate_limit.as_ref().map(|limit| limit.stats().refused),
                &mut before.rate_limited,
            ),
            (name::RETRIES, controls.retry.as_ref().map(|retry| retry.stats().retries), &mut before.retries),
            (name::RESTARTS, process.map(|process| process.restarts), &mut before.restarts),
            (name::FAILED_STARTS, process.map(|process| process.failed_starts), &mut before.failed_starts),
        ];
        for (name, now, before) in counts {
            if let Some(now) = now {
                self.count(name, labels, now.saturating_sub(*before));
                *before = now;
            }
        }
    }

    fn count(&self, name: &'static str, labels: &[(&'static str, &str)], by: u64) {
        self.recorder.register_counter(&key(name, labels), &METADATA).increment(by);
    }

    fn gauge(&self, name: &'static str, plugin: &str, value: f64) {
        self.recorder.register_gauge(&key(name, &[("plugin", plugin)]), &METADATA).set(value);
    }

    fn describe(&self) {
        let counters = [
            (name::REQUESTS, "Calls that ended, by status: success, failure, refused, cancelled."),
            (name::ERRORS, "Calls that ended in an error, by its code."),
            (name::RATE_LIMITED, "Calls that the rate limit refused."),
            (name::RETRIES, "Attempts after the first."),
            (name::RESTARTS, "Starts of a supervised process after the first, those that failed included."),
            (name::FAILED_STARTS, "Starts of a supervised process after the first that failed."),
        ];
        for (name, text) in counters {
            self.recorder.describe_counter(name.into(), Some(Unit::Count), text.into());
        }
        self.recorder.describe_histogram(
            name::DURATION.into(),
            Some(Unit::Seconds),
            "Time from receiving a call to its end, all attempts included.".into(),
        );
        let gauges = [
            (name::ACTIVE, "Calls that are running."),
            (name::BREAKER, "The circuit breaker's state: 0 closed, 1 open, 2 half-open."),
            (name::HEALTH, "The health: 0 unknown, 1 healthy, 2 degraded, 3 unhealthy, 4 offline."),
        ];
        for (name, text) in gauges {
            self.recorder.describe_gauge(name.into(), Some(Unit::Count), text.into());
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<_> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(name, labels)
}

fn count_of(snapshot: &Snapshot, code: Code) -> u64 {
    snapshot.codes().iter().find(|(found, _)| *found == code).map_or(0, |(_, count)| *count)
}
