//! The metrics of all plugins: the page that Prometheus reads, and deltas for any other recorder.

mod certificate;
mod families;
mod page;
mod publisher;

use std::{fmt, sync::Arc};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub(super) use certificate::CertificateFigure;
pub use publisher::Publisher;

use crate::manager::PluginView;
use families::{Reading, is_family};

/// Renders what the plugins' layers have counted for Prometheus.
///
/// A scrape reads the layers' own cells, so it costs what it shows, however many calls there were. Families and plugins come in
/// the same order each time. Only plugins that are registered have series, so a caller cannot make any.
#[derive(Clone)]
pub struct Metrics {
    recorder: PageRecorder,
    handle: PrometheusHandle,
}

impl Metrics {
    /// Metrics with a recorder of their own for the application's.
    #[must_use]
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        Self { recorder: PageRecorder(Arc::new(recorder)), handle }
    }

    /// A recorder for an application's own metrics, to be installed as the global one: they stand on the same page, after the
    /// plugins'. For another recorder, which is to have the plugins' metrics too, see [`Publisher`].
    ///
    /// Samples of histograms that are recorded here are kept until the next scrape.
    #[must_use]
    pub fn recorder(&self) -> PageRecorder {
        self.recorder.clone()
    }

    /// Renders everything in Prometheus' text format.
    #[must_use]
    pub fn scrape(&self, plugins: &[PluginView]) -> String {
        let readings: Vec<_> = plugins.iter().map(Reading::of).collect();
        let mut page = page::render(&readings);
        self.handle.run_upkeep();
        page.push_str(&self.handle.render());
        page
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

/// Records an application's own metrics for the page of a [`Metrics`]. Names of the plugins' families are not taken: the page
/// has them already.
#[derive(Clone)]
pub struct PageRecorder(Arc<PrometheusRecorder>);

impl Recorder for PageRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        if is_family(key.name()) { Counter::noop() } else { self.0.register_counter(key, metadata) }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        if is_family(key.name()) { Gauge::noop() } else { self.0.register_gauge(key, metadata) }
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        if is_family(key.name()) { Histogram::noop() } else { self.0.register_histogram(key, metadata) }
    }
}

impl fmt::Debug for PageRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRecorder").finish_non_exhaustive()
    }
}
