//! A check in a monitor, which hears of its changes.

use std::sync::Weak;

use tokio::task::AbortHandle;

use super::Inner;
use crate::HealthCheck;

/// Dropped, the monitor hears of it no more.
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
