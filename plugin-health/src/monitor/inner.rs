//! What all clones of a monitor share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use plugin_core::{HealthCell, HealthState, HealthStatus};
use tokio::{sync::watch, task::AbortHandle};

use crate::{HealthCheck, overall::overall};

#[derive(Default)]
pub(super) struct Inner {
    checks: Mutex<Checks>,
    /// Counts changes: of a state, and of what is there.
    pub(super) changed: watch::Sender<u64>,
    /// The status of all together, for as long as somebody has asked for it.
    pub(super) overall: OnceLock<Arc<HealthCell>>,
}

#[derive(Default)]
pub(super) struct Checks {
    pub(super) by_name: BTreeMap<String, Entry>,
    pub(super) shut_down: bool,
}

impl Inner {
    pub(super) fn has_changed(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Checks> {
        // Nothing that runs under the lock leaves a half-made change behind.
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status_of(&self, name: &str) -> Option<HealthStatus> {
        self.lock().by_name.get(name).map(|entry| entry.check.status())
    }

    pub(super) fn states(&self) -> BTreeMap<String, HealthState> {
        self.lock().by_name.iter().map(|(name, entry)| (name.clone(), entry.check.state())).collect()
    }

    pub(super) fn all(&self) -> BTreeMap<String, HealthStatus> {
        self.lock().by_name.iter().map(|(name, entry)| (name.clone(), entry.check.status())).collect()
    }

    pub(super) fn together(&self) -> HealthStatus {
        let all = self.all();
        overall(all.iter().map(|(name, status)| (name.as_str(), status)))
    }
}

/// A check in a monitor, which hears of its changes. Dropped, it hears of them no more.
pub(super) struct Entry {
    pub(super) check: HealthCheck,
    /// Nobody checks it: it is there for what is told of it.
    pub(super) is_unchecked: bool,
    follower: AbortHandle,
}

impl Entry {
    /// Tells the monitor of each change of the check's state. It goes by the cell, which others than the check may write.
    pub(super) fn new(check: HealthCheck, is_unchecked: bool, monitor: Weak<Inner>) -> Self {
        let mut events = check.events();
        let follow = async move {
            while events.next().await.is_some() {
                let Some(monitor) = monitor.upgrade() else { return };
                monitor.has_changed();
            }
        };
        let follower = check.runtime().spawn(follow).abort_handle();
        Self { check, is_unchecked, follower }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
