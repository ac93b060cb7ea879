//! Many health checks under their names.

mod events;
mod inner;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use plugin_core::{Code, HealthCell, HealthStatus, PluginError, Probe};

use crate::{HealthCheck, HealthConfig};
pub use events::{HealthMonitorEvent, HealthMonitorEvents};
use inner::{Checks, Entry, Inner};

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
        self.add_with(name.into(), || HealthCheck::start(config, probe))
    }

    /// Takes in a check that runs already.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1010` when there is a check of this name, and `LIFECYCLE_2102` after [`shutdown`](Self::shutdown).
    pub fn add_check(&self, name: impl Into<String>, check: HealthCheck) -> Result<(), PluginError> {
        self.add_with(name.into(), || check).map(drop)
    }

    fn add_with(&self, name: String, check: impl FnOnce() -> HealthCheck) -> Result<HealthCheck, PluginError> {
        let mut checks = self.open(&name)?;
        if checks.by_name.get(&name).is_some_and(|entry| !entry.is_unchecked) {
            let message = "a health check of this name is there already";
            return Err(PluginError::new(Code::DuplicateName, message).with_plugin(name));
        }
        let check = check();
        checks.by_name.insert(name, Entry::new(check.clone(), false, Arc::downgrade(&self.0)));
        drop(checks);
        self.0.has_changed();
        Ok(check)
    }

    /// Says from outside how the thing of this name is, whether or not it is checked, until something else is said of it.
    ///
    /// Of a check that stands above what it says, see [`HealthCheck::update`]. A name that is not there is there from then on, and
    /// [`add`](Self::add) may still add a check of that name, which takes its place.
    ///
    /// # Errors
    ///
    /// `LIFECYCLE_2102` after [`shutdown`](Self::shutdown).
    ///
    /// # Panics
    ///
    /// For a name that is not there: outside of a tokio runtime with a timer.
    pub fn update(&self, name: impl Into<String>, status: HealthStatus) -> Result<(), PluginError> {
        self.update_with(name.into(), |check| check.update(status))
    }

    /// Like [`update`](Self::update), for no longer than `holds`. After that the checks of it count again; of what nobody checks
    /// nothing is known then, and its state is Unknown.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use plugin_health::{
    ///     HealthMonitor,
    ///     plugin_core::{HealthState, HealthStatus},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let monitor = HealthMonitor::new();
    /// monitor.update_for("worker", HealthStatus::healthy(), Duration::from_secs(60))?; // with each of its heartbeats
    /// assert_eq!(monitor.overall().state, HealthState::Healthy);
    /// tokio::time::sleep(Duration::from_secs(61)).await;
    /// let worker = monitor.all().remove("worker").expect("it is there");
    /// assert_eq!((worker.state, worker.message.as_str()), (HealthState::Unknown, "nothing was heard of it for 1m"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    ///
    /// # Panics
    ///
    /// As [`update`](Self::update).
    pub fn update_for(
        &self,
        name: impl Into<String>,
        status: HealthStatus,
        holds: Duration,
    ) -> Result<(), PluginError> {
        self.update_with(name.into(), |check| check.update_for(status, holds))
    }

    fn update_with(&self, name: String, tell: impl FnOnce(&HealthCheck)) -> Result<(), PluginError> {
        let mut checks = self.open(&name)?;
        if let Some(entry) = checks.by_name.get(&name) {
            tell(&entry.check);
            return Ok(());
        }
        let check = HealthCheck::unchecked();
        tell(&check);
        checks.by_name.insert(name, Entry::new(check, true, Arc::downgrade(&self.0)));
        drop(checks);
        self.0.has_changed();
        Ok(())
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
        let taken = self.0.lock().by_name.remove(name);
        let Some(entry) = taken else { return false };
        self.0.has_changed();
        entry.check.stop().await;
        true
    }

    /// The handle of the check with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<HealthCheck> {
        self.0.lock().by_name.get(name).map(|entry| entry.check.clone())
    }

    /// The status of each, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, HealthStatus> {
        self.0.all()
    }

    /// The status of all together.
    ///
    /// Any Offline or Unhealthy makes it Unhealthy; else any Degraded makes it Degraded; else any Unknown, of which no
    /// check has finished yet, makes it Unknown. The message names those that are not Healthy, such as
    /// `offline: billing; degraded: search`. Without checks it is Healthy.
    #[must_use]
    pub fn overall(&self) -> HealthStatus {
        self.0.together()
    }

    /// The [status of all together](Self::overall) as a cell, for a gate or for whoever waits for a change. It follows the
    /// states: a check that leaves its state as it is leaves the cell as it is. It outlives the monitor, and then keeps the last
    /// status. Each call gives back the same cell.
    ///
    /// # Panics
    ///
    /// The first call: outside of a tokio runtime.
    #[must_use]
    pub fn cell(&self) -> Arc<HealthCell> {
        let start = || {
            let mut changed = self.0.changed.subscribe();
            let cell = Arc::new(HealthCell::new(self.0.together()));
            let (monitor, told) = (Arc::downgrade(&self.0), Arc::clone(&cell));
            tokio::spawn(async move {
                while changed.changed().await.is_ok() {
                    let Some(monitor) = monitor.upgrade() else { return };
                    told.set(monitor.together());
                }
            });
            cell
        };
        Arc::clone(self.0.overall.get_or_init(start))
    }

    /// Follows the states of all, from now on, and which are there.
    #[must_use]
    pub fn events(&self) -> HealthMonitorEvents {
        let changed = self.0.changed.subscribe();
        HealthMonitorEvents::new(Arc::downgrade(&self.0), changed, self.0.states())
    }

    /// The monitor without keeping it alive.
    #[cfg(feature = "tonic-health")]
    pub(crate) fn downgrade(&self) -> WeakHealthMonitor {
        WeakHealthMonitor(Arc::downgrade(&self.0))
    }

    /// Stops all checks, waits for those that run, and takes no new ones. It takes no longer than the longest timeout.
    ///
    /// Dropping the future leaves all checks stopped.
    pub async fn shutdown(&self) {
        for (check, stop) in self.stop_all() {
            check.stopped(stop).await;
        }
        self.0.lock().by_name.clear();
        self.0.has_changed();
    }

    /// All are asked to stop before the first is waited for. They stay until they have, so that a second caller waits too.
    fn stop_all(&self) -> Vec<(HealthCheck, u64)> {
        let mut checks = self.0.lock();
        checks.shut_down = true;
        let checks = checks.by_name.values().map(|entry| &entry.check);
        checks.map(|check| (check.clone(), check.ask_to_stop())).collect()
    }
}

/// A monitor that it does not keep alive.
#[cfg(feature = "tonic-health")]
pub(crate) struct WeakHealthMonitor(std::sync::Weak<Inner>);

#[cfg(feature = "tonic-health")]
impl WeakHealthMonitor {
    pub(crate) fn upgrade(&self) -> Option<HealthMonitor> {
        self.0.upgrade().map(HealthMonitor)
    }
}

impl fmt::Debug for HealthMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all().iter().map(|(name, status)| (name, status.state))).finish()
    }
}
