//! The task that makes the checks.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use plugin_core::{
    HealthStatus, Probe,
    clock::{self, Instant},
};
use tokio::sync::watch;

use crate::{
    HealthConfig, ask,
    schedule::{Schedule, Soon},
    shared::Shared,
};

/// What handles ask of the task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) running: bool,
    /// Grows with each check that somebody asked for.
    pub(crate) asked: u64,
    /// Grows with each stop that somebody asked for.
    pub(crate) stops: u64,
    /// Grows with each check that calls asked for.
    pub(crate) hurried: u64,
    /// How soon after one of those the next is made, where it failed.
    pub(crate) pace: Duration,
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
    pub(crate) shared: Arc<Shared>,
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
        let (mut answered, mut hurried) = (0, 0);
        let mut cell = self.shared.cell.watch();
        let mut told_next = None;
        // While stopped there is no schedule; a restart begins a new one, with a check at once.
        let mut due: Option<(Schedule, Instant)> = None;
        // Beside the schedule, for as long as it is not well.
        let mut soon: Option<Soon> = None;
        loop {
            let control = *self.control.borrow_and_update();
            self.progress
                .send_if_modified(|progress| std::mem::replace(&mut progress.stops, control.stops) != control.stops);
            let now = clock::now();
            if !control.running {
                (due, soon) = (None, None);
            } else if due.is_none() {
                due = Some((Schedule::new(now, self.config.interval(), self.config.jitter()), now));
            }
            let next = [due.map(|(_, at)| at), soon.map(|soon| soon.at)].into_iter().flatten().min();
            // Of several that write to one cell, who makes no checks leaves alone what the others say of theirs.
            if std::mem::replace(&mut told_next, next) != next {
                self.shared.cell.set_next_check(next);
            }
            let is_due = due.is_some_and(|(_, at)| at <= now);
            if next.is_some_and(|next| next <= now) || control.asked != answered {
                let reported = self.check(&mut cell).await?;
                // Who asked while it ran has an answer too.
                let seen = *self.control.borrow();
                answered = seen.asked;
                self.shared.checked(reported);
                self.progress.send_modify(|progress| progress.finished += 1);
                let is_hurried = std::mem::replace(&mut hurried, seen.hurried) != seen.hurried;
                soon = match soon {
                    _ if self.shared.cell.state().is_serving() => None,
                    _ if is_hurried => Some(Soon::first(clock::now(), seen.pace, self.config.interval())),
                    soon => soon.map(|soon| soon.after(clock::now())),
                };
                soon = soon.filter(Soon::is_sooner);
                if is_due && let Some((schedule, at)) = &mut due {
                    *at = schedule.next(clock::now(), fastrand::f64());
                }
                continue;
            }
            let over = self.shared.expired(now);
            let next = [next, over].into_iter().flatten().min();
            tokio::select! {
                changed = self.control.changed() => changed.map_err(|_| Abandoned)?,
                // The cell is there for as long as this is.
                _ = cell.changed() => self.shared.cell_changed(),
                () = sleep_until(next) => {}
            }
        }
    }

    /// Makes one check, and never leaves it running.
    async fn check(&mut self, cell: &mut watch::Receiver<HealthStatus>) -> Result<HealthStatus, Abandoned> {
        let mut asked = pin!(ask(&self.probe, self.config.timeout()));
        loop {
            // What was told may be over while a check runs.
            let over = self.shared.expired(clock::now());
            tokio::select! {
                biased;
                status = &mut asked => return Ok(status),
                changed = self.control.changed() => changed.map_err(|_| Abandoned)?,
                _ = cell.changed() => self.shared.cell_changed(),
                () = sleep_until(over) => {}
            }
        }
    }
}

/// `None`: for ever.
pub(crate) async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep(moment.saturating_since(clock::now())).await,
        None => pending().await,
    }
}
