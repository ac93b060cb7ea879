//! Many health checks under their names.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plugin_core::{Code, HealthStatus, PluginError, Probe};

use crate::{HealthCheck, HealthConfig, overall::overall};

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
pub struct HealthMonitor(Arc<Mutex<Checks>>);

#[derive(Default)]
struct Checks {
    by_name: BTreeMap<String, HealthCheck>,
    shut_down: bool,
}

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
        let mut checks = self.lock();
        if checks.shut_down {
            return Err(PluginError::new(Code::ShuttingDown, "the health monitor was shut down").with_plugin(name));
        }
        if checks.by_name.contains_key(&name) {
            let message = "a health check of this name is there already";
            return Err(PluginError::new(Code::DuplicateName, message).with_plugin(name));
        }
        Ok(checks.by_name.entry(name).or_insert_with(check).clone())
    }

    /// Takes the check of this name out, stops it, and waits for the check that runs. `false` when there is none.
    ///
    /// The name is free with the first poll. Dropping the future after it leaves the check stopped.
    pub async fn remove(&self, name: &str) -> bool {
        let taken = self.lock().by_name.remove(name);
        let Some(check) = taken else { return false };
        check.stop().await;
        true
    }

    /// The handle of the check with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<HealthCheck> {
        self.lock().by_name.get(name).cloned()
    }

    /// The status of each, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, HealthStatus> {
        self.lock().by_name.iter().map(|(name, check)| (name.clone(), check.status())).collect()
    }

    /// The status of all together.
    ///
    /// Any Offline or Unhealthy makes it Unhealthy; else any Degraded makes it Degraded; else any Unknown, of which no
    /// check has finished yet, makes it Unknown. The message names those that are not Healthy, such as
    /// `offline: billing; degraded: search`. Without checks it is Healthy.
    #[must_use]
    pub fn overall(&self) -> HealthStatus {
        let all = self.all();
        overall(all.iter().map(|(name, status)| (name.as_str(), status)))
    }

    /// Stops all checks, waits for those that run, and takes no new ones. It takes no longer than the longest timeout.
    ///
    /// Dropping the future leaves all checks stopped.
    pub async fn shutdown(&self) {
        for (check, stop) in self.stop_all() {
            check.stopped(stop).await;
        }
        self.lock().by_name.clear();
    }

    /// All are asked to stop before the first is waited for. They stay until they have, so that a second caller waits too.
    fn stop_all(&self) -> Vec<(HealthCheck, u64)> {
        let mut checks = self.lock();
        checks.shut_down = true;
        checks.by_name.values().map(|check| (check.clone(), check.ask_to_stop())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Checks> {
        // Nothing that runs under the lock leaves a half-made change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for HealthMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all().iter().map(|(name, status)| (name, status.state))).finish()
    }
}
