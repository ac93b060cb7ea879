//! What all clones of a monitor share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use plugin_core::{
    HealthCell, HealthState, HealthStatus,
    clock::{self, Instant},
};
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use super::{
    entry::{Entry, Fate, Told},
    view::{Changes, Seen, View},
};
use crate::task::sleep_until;

#[derive(Default)]
pub(super) struct Inner {
    checks: Mutex<Checks>,
    /// Tells of each change of a state, and of what is there.
    pub(super) changes: Arc<watch::Sender<Changes>>,
    /// The status of all together, for as long as somebody has asked for it.
    pub(super) overall: OnceLock<Arc<HealthCell>>,
    /// When the next of what was told is to be looked at.
    next_due: watch::Sender<Option<Instant>>,
}

#[derive(Default)]
pub(super) struct Checks {
    pub(super) by_name: BTreeMap<String, Entry>,
    pub(super) shut_down: bool,
    /// Which of what was told is to be looked at when.
    due: BTreeSet<(Instant, String)>,
    /// The one task that looks at them.
    looks: Option<AbortHandle>,
}

impl Checks {
    /// Takes out what is there under this name.
    pub(super) fn take(&mut self, name: &str) -> Option<Entry> {
        let entry = self.by_name.remove(name)?;
        if let Entry::Told(Told { due: Some(due), .. }) = &entry {
            self.due.remove(&(*due, name.to_owned()));
        }
        Some(entry)
    }

    pub(super) fn clear(&mut self) {
        self.by_name.clear();
        self.due.clear();
    }
}

impl Inner {
    pub(super) fn has_changed(&self) {
        self.changes.send_modify(|_| {});
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Checks> {
        // Nothing that runs under the lock leaves a half-made change behind.
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status_of(&self, name: &str) -> Option<HealthStatus> {
        self.lock().by_name.get(name).map(|entry| entry.cell().status())
    }

    pub(super) fn states(&self) -> BTreeMap<String, HealthState> {
        self.lock().by_name.iter().map(|(name, entry)| (name.clone(), entry.cell().state())).collect()
    }

    pub(super) fn view(&self) -> View {
        let checks = self.lock();
        let seen = checks.by_name.iter().map(|(name, entry)| (name.clone(), Seen::of(&entry.cell())));
        View { checks: seen.collect(), is_shut_down: checks.shut_down }
    }

    pub(super) fn is_empty_for_good(&self) -> bool {
        let checks = self.lock();
        checks.shut_down && checks.by_name.is_empty()
    }

    /// Says this of what is there under the name, or of what is there from then on.
    pub(super) fn tell(
        self: &Arc<Self>,
        mut checks: MutexGuard<'_, Checks>,
        name: String,
        status: HealthStatus,
        holds: Option<Duration>,
    ) {
        let is_new = !checks.by_name.contains_key(&name);
        let entry = checks.by_name.entry(name.clone()).or_insert_with(|| Entry::Told(Told::new(Handle::current())));
        let told = match entry {
            Entry::Checked(followed) => return followed.check.tell(status, holds),
            Entry::Told(told) => told,
        };
        let (before, after) = (told.shared.cell.state(), status.state);
        if let Some(due) = told.tell(status, holds) {
            let (before, runtime) = (told.due.replace(due), told.runtime.clone());
            if let Some(before) = before {
                checks.due.remove(&(before, name.clone()));
            }
            checks.due.insert((due, name));
            self.start_to_look(&mut checks, &runtime);
        }
        drop(checks);
        if is_new || before != after {
            self.has_changed();
        }
    }

    /// Has the task look in time, which is there from the first of what was told for a time.
    fn start_to_look(self: &Arc<Self>, checks: &mut Checks, runtime: &Handle) {
        let next = checks.due.first().map(|(due, _)| *due);
        self.next_due.send_if_modified(|due| std::mem::replace(due, next) != next);
        if checks.looks.as_ref().is_none_or(AbortHandle::is_finished) {
            let (monitor, mut next) = (Arc::downgrade(self), self.next_due.subscribe());
            let look = async move {
                loop {
                    let due = *next.borrow_and_update();
                    tokio::select! {
                        changed = next.changed() => if changed.is_err() { return },
                        () = sleep_until(due) => {
                            let Some(monitor) = monitor.upgrade() else { return };
                            monitor.look();
                        }
                    }
                }
            };
            checks.looks = Some(runtime.spawn(look).abort_handle());
        }
    }

    /// Takes back what holds no longer, and takes out what is forgotten.
    fn look(&self) {
        let now = clock::now();
        let mut checks = self.lock();
        let mut has_changed = false;
        while let Some((due, name)) = checks.due.pop_first() {
            if now < due {
                checks.due.insert((due, name));
                break;
            }
            let Some(Entry::Told(told)) = checks.by_name.get_mut(&name) else { continue };
            let before = told.shared.cell.state();
            let fate = told.look(now);
            has_changed |= told.shared.cell.state() != before || fate == Fate::IsForgotten;
            told.due = None;
            match fate {
                Fate::Stays => {}
                Fate::IsLookedAt(due) => {
                    told.due = Some(due);
                    checks.due.insert((due, name));
                }
                Fate::IsForgotten => drop(checks.by_name.remove(&name)),
            }
        }
        self.next_due.send_replace(checks.due.first().map(|(due, _)| *due));
        drop(checks);
        if has_changed {
            self.has_changed();
        }
    }
}

impl Drop for Inner {
    /// Who follows it is told how it was last.
    fn drop(&mut self) {
        if self.changes.receiver_count() > 0 {
            let last = Arc::new(self.view());
            self.changes.send_modify(|changes| changes.last = Some(last));
        }
    }
}
