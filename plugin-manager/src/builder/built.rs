//! The result of a builder: a manager with its plugins.

use std::time::Duration;

use bytes::Bytes;
use plugin_core::PluginError;
use plugin_transports::{json::Limits, process::ProcessHandle};

use crate::{
    config::{PluginConfig, START_AT_ONCE},
    launch::{Factories, Stores, Terms, announce, logging},
    manager::{DrainReport, Manager},
    server::Metrics,
};

/// A manager with its plugins, and what belongs to them.
///
/// When it and every clone of the manager are dropped, subprocesses are stopped without waiting for calls;
/// [`shutdown`](Self::shutdown) waits.
#[derive(Debug)]
#[must_use = "dropping it stops the plugins without waiting"]
pub struct Built {
    manager: Manager<Bytes, Bytes>,
    metrics: Option<Metrics>,
    // The last to be dropped, since the others may have something to tell.
    _log: Option<logging::FlushOnDrop>,
}

impl Built {
    pub(super) fn new(metrics: Option<Metrics>, log: Option<logging::FlushOnDrop>) -> Self {
        Self { manager: Manager::new(), metrics, _log: log }
    }

    pub(super) async fn connect(&self, plugins: &[PluginConfig], factories: &Factories) -> Vec<PluginError> {
        // Whoever builds in code is told of every one, and has no file in which to say which may be late.
        let terms =
            Terms { must: true, factories, json: Limits::new(), at_once: START_AT_ONCE, stores: Stores::default() };
        match announce(&self.manager, plugins) {
            Ok(announced) => announced.start(&terms).await.faults,
            Err(fault) => vec![fault],
        }
    }

    /// The manager: to call plugins, and to register more of them.
    #[must_use]
    pub fn manager(&self) -> &Manager<Bytes, Bytes> {
        &self.manager
    }

    /// The metrics, when they are on: for a recorder that is to be installed globally.
    #[must_use]
    pub fn metrics(&self) -> Option<&Metrics> {
        self.metrics.as_ref()
    }

    /// The metrics of every plugin in Prometheus' text format, when they are on.
    #[must_use]
    pub fn scrape(&self) -> Option<String> {
        self.metrics.as_ref().map(|metrics| metrics.scrape(&self.manager.list()))
    }

    /// The supervised process of a plugin.
    #[must_use]
    pub fn process(&self, plugin: &str) -> Option<ProcessHandle> {
        self.manager.get(plugin)?.controls.process
    }

    /// Drains and closes every plugin within `limit`, and says of each what did not finish.
    pub async fn shutdown(self, limit: Duration) -> Vec<DrainReport> {
        self.manager.shutdown(limit).await
    }
}
