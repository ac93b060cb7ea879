//! Waiting until nobody uses a plugin any more.

use std::{sync::Arc, time::Duration};

use plugin_core::clock;

use super::table::{Row, Table};

/// How often a drain looks. Calls pay nothing for being drained, so there is no wake-up to wait for.
const LOOK: Duration = Duration::from_millis(2);

/// What a drain found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// The plugin.
    pub name: String,
    /// How long it took, closing included.
    pub took: Duration,
    /// Calls that were still running at the end, and were left to their own deadlines.
    pub unfinished: usize,
    /// What went wrong when the transport was closed.
    pub close_error: Option<String>,
    /// The plugin was switched on again meanwhile, and serves.
    pub undone: bool,
}

impl DrainReport {
    /// Whether every call ended and the transport, if it was to be closed, closed in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unfinished == 0 && self.close_error.is_none() && !self.undone
    }
}

/// Waits until nobody reads `old` any more, so that no call can begin from it.
///
/// A call takes its lease while it holds the table; when the table has no other owner, every call that found its row
/// there has its lease, and `in_flight` counts it.
pub(super) async fn readers_gone<Req, Res>(old: Arc<Table<Req, Res>>) {
    while Arc::strong_count(&old) > 1 {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until no call runs, until the time is up, or until this is undone. Gives back how many still run.
pub(super) async fn calls_gone<Req, Res>(row: &Row<Req, Res>, limit: Duration, undone: impl Fn() -> bool) -> usize {
    let start = clock::now();
    loop {
        let running = row.execute.in_flight();
        if running == 0 || start.elapsed() >= limit || undone() {
            return running;
        }
        tokio::time::sleep(LOOK.min(limit)).await;
    }
}

/// What is left of a drain's time for the closing, and at least a second.
pub(super) fn closing_time(limit: Duration, spent: Duration) -> Duration {
    limit.saturating_sub(spent).max(Duration::from_secs(1))
}

/// Closes what was registered, last first, each within what is left of the grace period.
pub(super) async fn close<Req, Res>(row: &Row<Req, Res>, grace: Duration) -> Option<String> {
    let start = clock::now();
    let mut problem = None;
    for close in row.parts.close.iter().rev() {
        let left = grace.saturating_sub(start.elapsed());
        if let Err(error) = close(left).await {
            problem.get_or_insert_with(|| error.to_string());
        }
    }
    problem
}
