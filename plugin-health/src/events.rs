//! A stream of the changes of a state.

use plugin_core::{HealthCell, HealthState, HealthStatus};
use tokio::sync::watch;

/// The changes of one state. It keeps nothing alive.
#[derive(Clone, Debug)]
pub struct HealthEvents {
    status: watch::Receiver<HealthStatus>,
    last: HealthState,
}

impl HealthEvents {
    /// Follows this cell from its present state on.
    #[must_use]
    pub fn new(cell: &HealthCell) -> Self {
        let mut status = cell.watch();
        let last = status.borrow_and_update().state;
        Self { status, last }
    }

    /// Waits until the state is another than when this was last asked, and gives back the status. Checks that leave the
    /// state as it is are passed over; of several changes since, the newest is told. `None` when the cell is gone.
    ///
    /// A future that is dropped has missed nothing.
    pub async fn next(&mut self) -> Option<HealthStatus> {
        let last = self.last;
        let status = self.status.wait_for(|status| status.state != last).await.ok()?.clone();
        self.last = status.state;
        Some(status)
    }
}
