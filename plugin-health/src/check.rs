//! The handle of a health check.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use plugin_core::{HealthCell, HealthState, HealthStatus, Probe};
use tokio::sync::watch;

use crate::{
    HealthConfig, HealthEvents,
    task::{Control, Progress, Task},
};

/// A health check that runs: a task asks the probe once in each interval and keeps the state.
///
/// This is its handle, cheap to clone. The task ends when the last handle is dropped; a check that runs at that moment
/// is dropped with it, and the [`cell`](Self::cell) keeps its last status. Every method may be called any number of
/// times, in any state.
///
/// ```
/// use plugin_health::{
///     HealthCheck, HealthConfig,
///     plugin_core::{HealthState, HealthStatus},
///     probe,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = HealthConfig::builder().with_failure_limit(2).build()?;
/// let check = HealthCheck::start(config, probe(|| async { HealthStatus::unhealthy("connection refused") }));
///
/// assert_eq!(check.check_now().await.state, HealthState::Unhealthy); // one failure of two
/// assert_eq!(check.check_now().await.state, HealthState::Offline);
/// check.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HealthCheck {
    control: Arc<watch::Sender<Control>>,
    progress: watch::Receiver<Progress>,
    cell: Arc<HealthCell>,
    failures: Arc<AtomicU32>,
    config: HealthConfig,
}

impl HealthCheck {
    /// Starts to check. The first check is made at once; until it has finished the state is Unknown.
    ///
    /// A probe succeeds by answering Healthy or Degraded, and fails by answering anything else, by a panic, or by not
    /// answering within the timeout; then its future is dropped. One that could not be made
    /// ([`HealthStatus::not_checked`]) counts as neither, and the status stays as it was. No two checks run at once.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    #[must_use = "dropping the last handle stops the checks"]
    pub fn start(config: HealthConfig, probe: Probe) -> Self {
        Self::start_in(Arc::default(), config, probe)
    }

    /// Like [`start`](Self::start), with the results written to this cell, which a gate or a balancer may read already.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    #[must_use = "dropping the last handle stops the checks"]
    pub fn start_in(cell: Arc<HealthCell>, config: HealthConfig, probe: Probe) -> Self {
        let (control, control_seen) = watch::channel(Control { running: true, asked: 0, stops: 0 });
        let (progress, progress_seen) = watch::channel(Progress { finished: 0, stops: 0 });
        let failures = Arc::new(AtomicU32::new(0));
        let task = Task {
            config,
            probe,
            cell: Arc::clone(&cell),
            failures: Arc::clone(&failures),
            control: control_seen,
            progress,
        };
        tokio::spawn(task.run());
        Self { control: Arc::new(control), progress: progress_seen, cell, failures, config }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> HealthState {
        self.cell.state()
    }

    /// The whole status.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        self.cell.status()
    }

    /// What gates and balancers read. It outlives the check.
    #[must_use]
    pub fn cell(&self) -> Arc<HealthCell> {
        Arc::clone(&self.cell)
    }

    /// Follows the state, from now on.
    #[must_use]
    pub fn events(&self) -> HealthEvents {
        HealthEvents::new(&self.cell)
    }

    /// Failed checks since the last good one.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        // Relaxed: see the store.
        self.failures.load(Ordering::Relaxed)
    }

    /// When the last check finished.
    #[must_use]
    pub fn last_check(&self) -> Option<SystemTime> {
        self.cell.status().last_check
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> HealthConfig {
        self.config
    }

    /// Whether checks are made in each interval.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.control.borrow().running
    }

    /// Makes a check now and gives back the status after it. A check that runs already is waited for instead. It works
    /// while stopped too, and does not move the intervals.
    ///
    /// Dropping the future does not drop the check.
    pub async fn check_now(&self) -> HealthStatus {
        let mut progress = self.progress.clone();
        let before = progress.borrow_and_update().finished;
        self.control.send_modify(|control| control.asked += 1);
        // An error means that the runtime is gone, and with it whoever could check.
        let _finished = progress.wait_for(|progress| progress.finished > before).await;
        self.status()
    }

    /// Makes no more checks, and waits for the one that runs. The status stays as it is.
    ///
    /// It takes no longer than the timeout. Dropping the future leaves the checks stopped.
    pub async fn stop(&self) {
        let stop = self.ask_to_stop();
        self.stopped(stop).await;
    }

    /// The result is what [`stopped`](Self::stopped) waits for.
    pub(crate) fn ask_to_stop(&self) -> u64 {
        let mut stop = 0;
        self.control.send_modify(|control| {
            control.running = false;
            control.stops += 1;
            stop = control.stops;
        });
        stop
    }

    pub(crate) async fn stopped(&self, stop: u64) {
        let mut progress = self.progress.clone();
        let _stopped = progress.wait_for(|progress| progress.stops >= stop).await;
    }

    /// A handle that does not keep the checks going: for what the probe itself keeps alive, which would otherwise keep the
    /// probe.
    #[must_use]
    pub fn downgrade(&self) -> WeakHealthCheck {
        WeakHealthCheck {
            control: Arc::downgrade(&self.control),
            progress: self.progress.clone(),
            cell: Arc::downgrade(&self.cell),
            failures: Arc::clone(&self.failures),
            config: self.config,
        }
    }

    /// Checks in each interval again, the first time at once. Counts go on where they were.
    pub fn restart(&self) {
        self.control.send_if_modified(|control| !std::mem::replace(&mut control.running, true));
    }
}

/// A handle of a [`HealthCheck`] that does not keep it going, made by [`downgrade`](HealthCheck::downgrade).
#[derive(Clone)]
pub struct WeakHealthCheck {
    control: Weak<watch::Sender<Control>>,
    progress: watch::Receiver<Progress>,
    cell: Weak<HealthCell>,
    failures: Arc<AtomicU32>,
    config: HealthConfig,
}

impl WeakHealthCheck {
    /// The handle. `None` once the last one was dropped, and the checks have ended with it.
    #[must_use]
    pub fn upgrade(&self) -> Option<HealthCheck> {
        Some(HealthCheck {
            control: self.control.upgrade()?,
            progress: self.progress.clone(),
            cell: self.cell.upgrade()?,
            failures: Arc::clone(&self.failures),
            config: self.config,
        })
    }
}

impl fmt::Debug for WeakHealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakHealthCheck").field("is_going", &(self.control.strong_count() > 0)).finish_non_exhaustive()
    }
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheck")
            .field("status", &self.status())
            .field("running", &self.is_running())
            .field("consecutive_failures", &self.consecutive_failures())
            .finish_non_exhaustive()
    }
}
