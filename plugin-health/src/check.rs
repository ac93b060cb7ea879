//! The handle of a health check.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use plugin_core::{HealthCell, HealthState, HealthStatus, Probe};
use tokio::{runtime::Handle, sync::watch};

use crate::{
    HealthConfig, HealthEvents,
    shared::Shared,
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
    shared: Arc<Shared>,
    config: HealthConfig,
    /// Where the task runs.
    runtime: Handle,
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
        Self::start_with(Arc::new(Shared::new(cell, config)), config, probe)
    }

    /// Goes on with what there was for what was told from outside.
    pub(crate) fn start_with(shared: Arc<Shared>, config: HealthConfig, probe: Probe) -> Self {
        Self::begin(shared, config, probe, true, Handle::current())
    }

    /// One that nobody checks, for what is told from outside.
    pub(crate) fn unchecked(shared: Arc<Shared>, runtime: Handle) -> Self {
        let probe: Probe = Arc::new(|| Box::pin(async { HealthStatus::not_checked("nobody checks it") }));
        Self::begin(shared, HealthConfig::default(), probe, false, runtime)
    }

    fn begin(shared: Arc<Shared>, config: HealthConfig, probe: Probe, running: bool, runtime: Handle) -> Self {
        let (control, control_seen) =
            watch::channel(Control { running, asked: 0, stops: 0, hurried: 0, pace: Duration::ZERO });
        let (progress, progress_seen) = watch::channel(Progress { finished: 0, stops: 0 });
        let task = Task { config, probe, shared: Arc::clone(&shared), control: control_seen, progress };
        runtime.spawn(task.run());
        Self { control: Arc::new(control), progress: progress_seen, shared, config, runtime }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> HealthState {
        self.shared.cell.state()
    }

    /// The whole status.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        self.shared.cell.status()
    }

    /// What gates and balancers read. It outlives the check.
    #[must_use]
    pub fn cell(&self) -> Arc<HealthCell> {
        Arc::clone(&self.shared.cell)
    }

    /// Follows the state, from now on.
    #[must_use]
    pub fn events(&self) -> HealthEvents {
        HealthEvents::new(&self.shared.cell)
    }

    /// Failed checks since the last good one.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.shared.failures()
    }

    /// When the last check finished.
    #[must_use]
    pub fn last_check(&self) -> Option<SystemTime> {
        self.shared.cell.status().last_check
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
        self.ask();
        // An error means that the runtime is gone, and with it whoever could check.
        let _finished = progress.wait_for(|progress| progress.finished > before).await;
        self.status()
    }

    /// Has a check made as soon as none runs, and waits for nothing.
    pub(crate) fn ask(&self) {
        self.control.send_modify(|control| control.asked += 1);
    }

    /// Has a check made for what calls came to, and where that fails others soon after it: first after this time.
    pub(crate) fn ask_soon(&self, pace: Duration) {
        self.control.send_modify(|control| {
            control.asked += 1;
            control.hurried += 1;
            control.pace = pace;
        });
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

    /// Says from outside how it is. That stands above what checks say until something else is said, or until
    /// [`withdraw`](Self::withdraw); checks go on and count meanwhile. Where it has no time of its check, it has the present. While
    /// somebody [holds](HealthCell::hold) the cell it is not heard, and it is said when he lets go.
    ///
    /// ```
    /// use plugin_health::{
    ///     HealthCheck, HealthConfig,
    ///     plugin_core::{HealthState, HealthStatus},
    ///     probe,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let check = HealthCheck::start(HealthConfig::default(), probe(|| async { HealthStatus::healthy() }));
    /// check.update(HealthStatus::degraded("a replica is being rebuilt"));
    /// assert_eq!(check.check_now().await.state, HealthState::Degraded);
    /// check.withdraw();
    /// assert_eq!(check.state(), HealthState::Healthy); // what the check has found
    /// # }
    /// ```
    pub fn update(&self, status: HealthStatus) {
        self.tell(status, None);
    }

    /// Like [`update`](Self::update), for no longer than `holds`. After that what checks say counts again; of what nobody has
    /// checked nothing is known then, and the state is Unknown.
    pub fn update_for(&self, status: HealthStatus, holds: Duration) {
        self.tell(status, Some(holds));
    }

    pub(crate) fn tell(&self, status: HealthStatus, holds: Option<Duration>) {
        self.shared.told(status, holds);
        // The task looks anew for how long it may sleep.
        self.control.send_modify(|_| {});
    }

    /// Takes back what [`update`](Self::update) said. What checks say counts again.
    pub fn withdraw(&self) {
        self.shared.withdrawn();
    }

    /// Where what follows the check can run, from wherever that is begun.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// A handle that does not keep the checks going: for what the probe itself keeps alive, which would otherwise keep the
    /// probe.
    #[must_use]
    pub fn downgrade(&self) -> WeakHealthCheck {
        WeakHealthCheck {
            control: Arc::downgrade(&self.control),
            progress: self.progress.clone(),
            shared: Arc::downgrade(&self.shared),
            config: self.config,
            runtime: self.runtime.clone(),
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
    shared: Weak<Shared>,
    config: HealthConfig,
    runtime: Handle,
}

impl WeakHealthCheck {
    /// The handle. `None` once the last one was dropped, and the checks have ended with it.
    #[must_use]
    pub fn upgrade(&self) -> Option<HealthCheck> {
        Some(HealthCheck {
            control: self.control.upgrade()?,
            progress: self.progress.clone(),
            shared: self.shared.upgrade()?,
            config: self.config,
            runtime: self.runtime.clone(),
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
