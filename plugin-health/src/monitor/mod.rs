//! Many health checks under their names.

mod entry;
mod events;
mod inner;
mod updates;
mod view;
mod views;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, MutexGuard},
};

use plugin_core::{Code, HealthCell, HealthStatus, PluginError, Probe};

use crate::{HealthCheck, HealthConfig, shared::Shared};
use entry::{Entry, Followed};
pub use events::{HealthMonitorEvent, HealthMonitorEvents};
use inner::{Checks, Inner};
#[cfg(feature = "axum")]
pub(crate) use view::Seen;
#[cfg(any(feature = "axum", feature = "tonic-health"))]
pub(crate) use view::View;
use views::Views;

/// The health checks of many things, each under its name. Cheap to clone; every clone is the same monitor.
///
/// Dropping the last clone stops the checks that nobody else holds a handle of.
///
/// ```
/// use plugin_health::{
///     HealthConfig, HealthMonitor,
///     plugin_core::{HealthState, HealthStatus},
///     probe,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let monitor = HealthMonitor::new();
/// monitor.add("database", HealthConfig::default(), probe(|| async { HealthStatus::healthy() }))?;
/// monitor.add("search", HealthConfig::default(), probe(|| async { HealthStatus::degraded("one replica") }))?;
/// for name in ["database", "search"] {
///     if let Some(check) = monitor.get(name) {
///         check.check_now().await;
///     }
/// }
///
/// let overall = monitor.overall();
/// assert_eq!((overall.state, overall.message.as_str()), (HealthState::Degraded, "degraded: search"));
/// monitor.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct HealthMonitor(Arc<Inner>);

impl HealthMonitor {
    /// A monitor without checks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a check under this name, and gives back its handle.
    ///
    /// # Errors
    ///
    /// As [`add_check`](Self::add_check); nothing is started then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    pub fn add(&self, name: impl Into<String>, config: HealthConfig, probe: Probe) -> Result<HealthCheck, PluginError> {
        let start = |before: Option<&Arc<Shared>>| match before {
            Some(shared) => {
                shared.begin_anew(config, "");
                HealthCheck::start_with(Arc::clone(shared), config, probe)
            }
            None => HealthCheck::start(config, probe),
        };
        self.add_with(name.into(), start)
    }

    /// Takes in a check that runs already. Of a cell that was handed out for this name before, when nobody checked it, nothing is
    /// known any more: it is Unknown.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1010` when there is a check of this name, and `LIFECYCLE_2102` after [`shutdown`](Self::shutdown).
    pub fn add_check(&self, name: impl Into<String>, check: HealthCheck) -> Result<(), PluginError> {
        let take = |before: Option<&Arc<Shared>>| {
            if let Some(shared) = before {
                shared.begin_anew(HealthConfig::default(), "a check has taken its place");
            }
            check
        };
        self.add_with(name.into(), take).map(drop)
    }

    /// What there was for what was told of the name is given to `check`.
    fn add_with(
        &self,
        name: String,
        check: impl FnOnce(Option<&Arc<Shared>>) -> HealthCheck,
    ) -> Result<HealthCheck, PluginError> {
        let mut checks = self.open(&name)?;
        let check = match checks.by_name.get(&name) {
            Some(Entry::Checked(_)) => {
                let message = "a health check of this name is there already";
                return Err(PluginError::new(Code::DuplicateName, message).with_plugin(name));
            }
            Some(Entry::Told(told)) => check(Some(&told.shared)),
            None => check(None),
        };
        let before = checks.take(&name);
        // It may have been restarted, and makes no checks that are any.
        if let Some(handle) = before.as_ref().and_then(Entry::handle) {
            handle.ask_to_stop();
        }
        checks.by_name.insert(name, Entry::Checked(Followed::new(check.clone(), Arc::downgrade(&self.0.changes))));
        drop((checks, before));
        self.0.has_changed();
        Ok(check)
    }

    /// The checks, for a change. Refused after a shutdown.
    fn open(&self, name: &str) -> Result<MutexGuard<'_, Checks>, PluginError> {
        let checks = self.0.lock();
        if checks.shut_down {
            return Err(PluginError::new(Code::ShuttingDown, "the health monitor was shut down").with_plugin(name));
        }
        Ok(checks)
    }

    /// Takes the check of this name out, stops it, and waits for the check that runs. `false` when there is none.
    ///
    /// The name is free with the first poll. Dropping the future after it leaves the check stopped.
    pub async fn remove(&self, name: &str) -> bool {
        let taken = self.0.lock().take(name);
        let Some(entry) = taken else { return false };
        self.0.has_changed();
        if let Some(check) = entry.handle() {
            check.stop().await;
        }
        true
    }

    /// The handle of the check with this name. Of a name that was told and that nobody checks, it makes no checks, and its cell is
    /// for a gate or for whoever waits.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<HealthCheck> {
        match self.0.lock().by_name.get_mut(name)? {
            Entry::Checked(followed) => Some(followed.check.clone()),
            Entry::Told(told) => Some(told.handle(Arc::downgrade(&self.0.changes))),
        }
    }

    /// The status of each, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, HealthStatus> {
        self.0.view().checks.into_iter().map(|(name, seen)| (name, seen.status)).collect()
    }

    /// All at one moment.
    #[cfg(feature = "axum")]
    pub(crate) fn view(&self) -> View {
        self.0.view()
    }

    /// Follows all, from now on.
    #[cfg(feature = "tonic-health")]
    pub(crate) fn views(&self) -> Views {
        Views::new(&self.0)
    }

    /// The status of all together.
    ///
    /// Any Offline or Unhealthy makes it Unhealthy; else any Degraded makes it Degraded; else any Unknown, of which no
    /// check has finished yet, makes it Unknown. The message names those that are not Healthy, such as
    /// `offline: billing; degraded: search`. Without checks it is Healthy.
    ///
    /// From the first poll of [`shutdown`](Self::shutdown) on it is Unhealthy, with the message `shut down`. Offline it never is: a gate
    /// that reads it lets the last calls end.
    #[must_use]
    pub fn overall(&self) -> HealthStatus {
        self.0.view().overall()
    }

    /// The [status of all together](Self::overall) as a cell, for a gate or for whoever waits for a change. It follows the
    /// states: a check that leaves its state as it is leaves the cell as it is. It outlives the monitor, and then keeps the last
    /// status, as it does after a shutdown. Each call gives back the same cell.
    ///
    /// # Panics
    ///
    /// The first call: outside of a tokio runtime.
    #[must_use]
    pub fn cell(&self) -> Arc<HealthCell> {
        let start = || {
            let mut views = Views::new(&self.0);
            let cell = Arc::new(HealthCell::new(self.overall()));
            let told = Arc::clone(&cell);
            tokio::spawn(async move {
                while let Some(view) = views.next().await {
                    told.set(view.overall());
                }
            });
            cell
        };
        Arc::clone(self.0.overall.get_or_init(start))
    }

    /// Follows the states of all, from now on, and which are there.
    #[must_use]
    pub fn events(&self) -> HealthMonitorEvents {
        // Before the look, so that what changes after it is seen.
        let views = Views::new(&self.0);
        HealthMonitorEvents::new(views, self.0.states())
    }

    /// Stops all checks, waits for those that run, and takes no new ones. It takes no longer than the longest timeout.
    ///
    /// Who stops is not to be sent more: from the first poll on [all together](Self::overall) are Unhealthy, `/readyz` and `/health` of
    /// `HealthRoutes` answer 503, and what `report_to` has told of is `NOT_SERVING`. `/healthz` answers 200 for as long as the process
    /// does.
    ///
    /// Dropping the future leaves all checks stopped.
    pub async fn shutdown(&self) {
        for (check, stop) in self.stop_all() {
            check.stopped(stop).await;
        }
        self.0.lock().clear();
        self.0.has_changed();
    }

    /// All are asked to stop before the first is waited for. They stay until they have, so that a second caller waits too.
    fn stop_all(&self) -> Vec<(HealthCheck, u64)> {
        let mut checks = self.0.lock();
        checks.shut_down = true;
        let handles = checks.by_name.values().filter_map(Entry::handle);
        let stops = handles.map(|check| (check.clone(), check.ask_to_stop())).collect();
        drop(checks);
        self.0.has_changed();
        stops
    }
}

impl fmt::Debug for HealthMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all().iter().map(|(name, status)| (name, status.state))).finish()
    }
}
