//! The metrics of all plugins for any recorder of the `metrics` crate.

use std::{collections::HashMap, fmt};

use metrics::{Key, Level, Metadata, Recorder, Unit};
use plugin_telemetry::{Bucket, TelemetryStats};

use super::families::{DURATION, DURATION_HELP, FAMILIES, FamilyKind, Reading};
use crate::manager::PluginView;

static METADATA: Metadata<'static> = Metadata::new("plugin_manager", Level::INFO, Some("plugin_manager"));

/// Adds what the plugins' layers have counted to a recorder of the [`metrics`] crate: StatsD, OTLP, or one of your own.
///
/// Layers count in cells of their own, which costs a call much less than a recorder would. Each
/// [`publish`](Self::publish) adds to counters what has come since the last one, sets gauges, and records in the histogram the mean
/// of each bucket as often as it had calls, so a recorder that keeps every sample pays for every call. The `/metrics` page
/// needs none of this. One publisher serves one recorder.
///
/// ```
/// use bytes::Bytes;
/// use plugin_manager::{manager::Manager, server::Publisher};
///
/// let manager: Manager<Bytes, Bytes> = Manager::new();
/// let mut publisher = Publisher::new();
/// // Every ten seconds or so, into the recorder that is installed for the whole program:
/// metrics::with_recorder(|recorder| publisher.publish(recorder, &manager.list()));
/// ```
#[derive(Default)]
pub struct Publisher {
    described: bool,
    published: HashMap<String, Published>,
}

/// What has been published of one plugin.
#[derive(Default)]
struct Published {
    counters: HashMap<(&'static str, &'static str), u64>,
    buckets: Vec<Bucket>,
}

impl Publisher {
    /// A publisher that has published nothing: its first time publishes all there is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes what has come since the last time. A count that went back is that of a plugin which was registered anew, and
    /// is published from zero.
    pub fn publish(&mut self, recorder: &dyn Recorder, plugins: &[PluginView]) {
        if !std::mem::replace(&mut self.described, true) {
            describe(recorder);
        }
        self.published.retain(|name, _| plugins.iter().any(|plugin| plugin.name == *name));
        for plugin in plugins {
            let reading = Reading::of(plugin);
            let before = self.published.entry(plugin.name.clone()).or_default();
            for family in &FAMILIES {
                (family.tell)(&reading, &mut |label, value| {
                    let key = key(family.name, reading.plugin, label);
                    match family.kind {
                        FamilyKind::Gauge => recorder.register_gauge(&key, &METADATA).set(value as f64),
                        FamilyKind::Counter => {
                            let label = label.map_or("", |(_, value)| value);
                            let before = before.counters.entry((family.name, label)).or_default();
                            let new = value.checked_sub(*before).unwrap_or(value);
                            *before = value;
                            recorder.register_counter(&key, &METADATA).increment(new);
                        }
                    }
                });
            }
            if let Some(calls) = &reading.calls {
                before.record(recorder, reading.plugin, calls);
            }
        }
    }
}

impl Published {
    fn record(&mut self, recorder: &dyn Recorder, plugin: &str, calls: &TelemetryStats) {
        let histogram = recorder.register_histogram(&key(DURATION, plugin, None), &METADATA);
        let total = |buckets: &[Bucket]| buckets.iter().map(|bucket| bucket.count).sum::<u64>();
        if self.buckets.is_empty() || total(calls.buckets()) < total(&self.buckets) {
            self.buckets = vec![Bucket::default(); calls.buckets().len()];
        }
        for (now, before) in calls.buckets().iter().zip(&mut self.buckets) {
            let count = now.count.saturating_sub(before.count);
            if count > 0 {
                let mean = now.sum.saturating_sub(before.sum).as_secs_f64() / count as f64;
                histogram.record_many(mean, usize::try_from(count).unwrap_or(usize::MAX));
            }
            *before = *now;
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("plugins", &self.published.len()).finish_non_exhaustive()
    }
}

fn describe(recorder: &dyn Recorder) {
    for family in &FAMILIES {
        let (name, unit, help) = (family.name.into(), Some(Unit::Count), family.help.into());
        match family.kind {
            FamilyKind::Counter => recorder.describe_counter(name, unit, help),
            FamilyKind::Gauge => recorder.describe_gauge(name, unit, help),
        }
    }
    recorder.describe_histogram(DURATION.into(), Some(Unit::Seconds), DURATION_HELP.into());
}

fn key(name: &'static str, plugin: &str, label: Option<(&'static str, &'static str)>) -> Key {
    let plugin = metrics::Label::new("plugin", plugin.to_owned());
    let label = label.map(|(name, value)| metrics::Label::from_static_parts(name, value));
    Key::from_parts(name, std::iter::once(plugin).chain(label).collect::<Vec<_>>())
}
