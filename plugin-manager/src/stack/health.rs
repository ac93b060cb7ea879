//! The health of several instances as one.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesUnordered};
use plugin_core::{HealthCell, HealthState, HealthStatus};
use tokio::task::AbortHandle;

/// What stops following the instances when the plugin is closed.
pub(super) struct Watcher(Option<AbortHandle>);

impl Watcher {
    pub(super) fn abort(&self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.abort();
    }
}

/// One cell for a group of instances. A single instance's cell is the group's; more are followed by a task, which ends
/// when the watcher is dropped or told to.
pub(super) fn group(cells: Vec<(Arc<str>, Arc<HealthCell>)>) -> (Arc<HealthCell>, Watcher) {
    if let [(_, only)] = cells.as_slice() {
        return (Arc::clone(only), Watcher(None));
    }
    let group = Arc::new(HealthCell::new(together(&cells)));
    // Without a runtime there are no checks either, and the state stays what it is.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return (group, Watcher(None)) };
    let told = Arc::clone(&group);
    let task = runtime.spawn(async move {
        let mut watches: Vec<_> = cells.iter().map(|(_, cell)| cell.watch()).collect();
        // A watch tells what comes after it was made, and instances may have been checked before this task first ran.
        told.set(together(&cells));
        loop {
            let mut changes: FuturesUnordered<_> = watches.iter_mut().map(|watch| watch.changed()).collect();
            // The cells are held here, so a watch cannot end.
            changes.next().await;
            drop(changes);
            told.set(together(&cells));
        }
    });
    (group, Watcher(Some(task.abort_handle())))
}

/// A group is offline when all of it is: as long as one instance may answer, calls must reach the balancer. It is
/// degraded when a part is not well, and the message names how many. Before each has been checked once nothing bad is said
/// of it: those that are still to come may all be well.
fn together(cells: &[(Arc<str>, Arc<HealthCell>)]) -> HealthStatus {
    let statuses: Vec<_> = cells.iter().map(|(_, cell)| cell.status()).collect();
    let count = |state| statuses.iter().filter(|status| status.state == state).count();
    let (all, healthy, unknown) = (statuses.len(), count(HealthState::Healthy), count(HealthState::Unknown));
    let state = match () {
        () if unknown == all => HealthState::Unknown,
        () if healthy == all => HealthState::Healthy,
        () if unknown > 0 && healthy + unknown < all => HealthState::Unknown,
        () if count(HealthState::Offline) == all => HealthState::Offline,
        () if count(HealthState::Offline) + count(HealthState::Unhealthy) == all => HealthState::Unhealthy,
        () if healthy + unknown == all => HealthState::Healthy,
        () => HealthState::Degraded,
    };
    let message = match state {
        HealthState::Healthy | HealthState::Unknown => String::new(),
        _ => {
            // What is wrong with one, and not what another says that is well.
            let named = cells.iter().zip(&statuses).map(|((name, _), status)| (name, status));
            let mut wrong = named.filter(|(_, status)| status.state != HealthState::Healthy);
            let first = wrong.find(|(_, status)| !status.message.is_empty());
            let first = first.map(|(name, status)| format!("{name}: {}", status.message));
            format!("{healthy} of {all} instances are healthy; {}", first.as_deref().unwrap_or("no message"))
        }
    };
    let mut status = HealthStatus::new(state, message);
    status.last_check = statuses.iter().filter_map(|status| status.last_check).max();
    status.response_time = statuses.iter().map(|status| status.response_time).max().unwrap_or_default();
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_group_is_offline_only_when_all_of_it_is() {
        let named = |name: &str| (Arc::from(name), Arc::new(HealthCell::default()));
        let cells: Vec<(Arc<str>, _)> = ["a", "b", "c"].map(named).into();
        let (group, _watcher) = group(cells.clone());
        let mut watch = group.watch();
        let mut after = async |index: usize, state| {
            cells[index].1.set(HealthStatus::new(state, if state.is_serving() { "all is well" } else { "because" }));
            watch.changed().await.expect("the cell lives");
            group.state()
        };
        assert_eq!(after(0, HealthState::Healthy).await, HealthState::Healthy, "the others are not known yet");
        assert_eq!(after(1, HealthState::Offline).await, HealthState::Unknown, "one is not known");
        assert_eq!(after(2, HealthState::Healthy).await, HealthState::Degraded);
        assert_eq!(group.status().message, "2 of 3 instances are healthy; b: because");
        assert_eq!(after(0, HealthState::Offline).await, HealthState::Degraded);
        assert_eq!(after(2, HealthState::Offline).await, HealthState::Offline);
        assert_eq!(group.status().message, "0 of 3 instances are healthy; a: because");
    }
}
