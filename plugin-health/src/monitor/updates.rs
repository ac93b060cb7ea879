//! What is told of a name from outside.

use std::time::Duration;

use plugin_core::{HealthStatus, PluginError};

use super::HealthMonitor;

impl HealthMonitor {
    /// Says from outside how the thing of this name is, whether or not it is checked, until something else is said of it.
    ///
    /// Of a check that stands above what it says, see [`HealthCheck::update`](crate::HealthCheck::update). A name that is not there
    /// is there from then on, and [`add`](Self::add) may still add a check of that name, which takes its place: in the same cell, so
    /// that who was given that hears the check. Until the first has finished it is Unknown.
    ///
    /// A name stays until it is [removed](Self::remove), and costs no task. Names are to be a program's own, as many as it can list, and
    /// not what its callers send.
    ///
    /// # Errors
    ///
    /// `LIFECYCLE_2102` after [`shutdown`](Self::shutdown).
    ///
    /// # Panics
    ///
    /// For a name that is not there: outside of a tokio runtime with a timer.
    pub fn update(&self, name: impl Into<String>, status: HealthStatus) -> Result<(), PluginError> {
        self.tell(name.into(), status, None)
    }

    /// Like [`update`](Self::update), for no longer than `holds`. After that the checks of it count again; of what nobody checks
    /// nothing is known then, and its state is Unknown.
    ///
    /// What nobody checks is forgotten when it was Unknown for ten times as long as it was to hold, and for a minute at least: it is
    /// there no more, and all together may be Healthy again. What is not to be forgotten is named with `HealthRoutes::ready_by`, or
    /// its handle is kept: one that somebody has asked for with [`get`](Self::get) stays.
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
        self.tell(name.into(), status, Some(holds))
    }

    fn tell(&self, name: String, status: HealthStatus, holds: Option<Duration>) -> Result<(), PluginError> {
        let checks = self.open(&name)?;
        self.0.tell(checks, name, status, holds);
        Ok(())
    }
}
