//! The task that makes the checks.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use plugin_core::{
    Code, HealthCell, HealthStatus, Probe,
    clock::{self, Instant},
};
use tokio::sync::watch;

use crate::{HealthConfig, ask, schedule::Schedule, threshold::Threshold};

/// What handles ask of the task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) running: bool,
    /// Grows with each check that somebody asked for.
    pub(crate) asked: u64,
    /// Grows with each stop that somebody asked for.
    pub(crate) stops: u64,
}

/// What the task tells the handles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Checks that have finished.
    pub(crate) finished: u64,
    /// The last `Control::stops` that the task saw while no check ran.
    pub(crate) stops: u64,
}

pub(crate) struct Task {
    pub(crate) config: HealthConfig,
    pub(crate) probe: Probe,
    pub(crate) cell: Arc<HealthCell>,
    pub(crate) failures: Arc<AtomicU32>,
    pub(crate) control: watch::Receiver<Control>,
    pub(crate) progress: watch::Sender<Progress>,
}

/// The handles are gone.
struct Abandoned;

impl Task {
    /// Runs until the last handle is dropped. A check that runs then is dropped.
    pub(crate) async fn run(mut self) {
        let _abandoned = self.serve().await;
    }

    async fn serve(&mut self) -> Result<(), Abandoned> {
        let mut threshold = Threshold::new(self.config.failure_limit(), self.config.success_limit());
        let mut answered = 0;
        // While stopped there is no schedule; a restart begins a new one, with a check at once.
        let mut due: Option<(Schedule, Instant)> = None;
        loop {
            let control = *self.control.borrow_and_update();
            self.progress
                .send_if_modified(|progress| std::mem::replace(&mut progress.stops, control.stops) != control.stops);
            let now = clock::now();
            if !control.running {
                due = None;
            } else if due.is_none() {
                due = Some((Schedule::new(now, self.config.interval(), self.config.jitter()), now));
            }
            self.cell.set_next_check(due.map(|(_, at)| at));
            let is_due = due.is_some_and(|(_, at)| at <= now);
            if is_due || control.asked != answered {
                let reported = self.check().await?;
                // Who asked while it ran has an answer too.
                answered = self.control.borrow().asked;
                self.publish(&mut threshold, reported);
                if is_due && let Some((schedule, at)) = &mut due {
                    *at = schedule.next(clock::now(), fastrand::f64());
                }
                continue;
            }
            let wait = due.map(|(_, at)| at.saturating_since(now));
            tokio::select! {
                changed = self.control.changed() => changed.map_err(|_| Abandoned)?,
                () = sleep(wait) => {}
            }
        }
    }

    /// Makes one check, and never leaves it running.
    async fn check(&mut self) -> Result<HealthStatus, Abandoned> {
        tokio::select! {
            biased;
            status = ask(&self.probe, self.config.timeout()) => Ok(status),
            abandoned = abandoned(&mut self.control) => Err(abandoned),
        }
    }

    fn publish(&self, threshold: &mut Threshold, mut status: HealthStatus) {
        if self.cell.is_held() {
            // Who holds it knows better. What is checked after it begins with clean counts.
            *threshold = Threshold::new(self.config.failure_limit(), self.config.success_limit());
            self.failures.store(0, Ordering::Relaxed);
            self.progress.send_modify(|progress| progress.finished += 1);
            return;
        }
        if status.is_not_checked() {
            self.progress.send_modify(|progress| progress.finished += 1);
            return;
        }
        let reported = status.state;
        status.state = threshold.record(reported);
        if reported.is_serving() && !status.state.is_serving() {
            status.message =
                format!("{} of {} good checks needed to come back", threshold.successes(), self.config.success_limit());
        } else if !status.state.is_serving() && status.message.is_empty() {
            status.message = format!("the health check failed ({})", Code::Unhealthy);
        }
        // Relaxed: a number for people to read; who needs it to match the status waits for `progress`, a lock.
        self.failures.store(threshold.failures(), Ordering::Relaxed);
        self.cell.set(status);
        self.progress.send_modify(|progress| progress.finished += 1);
    }
}

/// Waits until no handle is left.
async fn abandoned(control: &mut watch::Receiver<Control>) -> Abandoned {
    while control.changed().await.is_ok() {}
    Abandoned
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => pending().await,
    }
}
