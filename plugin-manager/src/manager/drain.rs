//! Waiting until nobody uses a plugin any more.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use plugin_core::clock;

use super::table::Row;

/// How often a drain looks. Calls pay nothing for being drained, so there is no wake-up to wait for.
const LOOK: Duration = Duration::from_millis(2);

/// The report of a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// The plugin.
    pub name: String,
    /// How long it took, closing included.
    pub took: Duration,
    /// Calls that were still running at the end, and were left to their own deadlines.
    pub unfinished: usize,
    /// Calls that ended meanwhile without an answer, since somebody had the plugin's process restarted.
    pub cut: usize,
    /// What went wrong when the transport was closed.
    pub close_error: Option<String>,
    /// The plugin was switched on again meanwhile, and serves.
    pub undone: bool,
}

impl DrainReport {
    /// Whether every call came to its own end and the transport, if it was to be closed, closed in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unfinished == 0 && self.cut == 0 && self.close_error.is_none() && !self.undone
    }
}

/// The tables that were replaced, as long as somebody may read them: a thread that has loaded one may be put aside for
/// more than one change before it takes the lease of its call.
pub(super) struct Superseded<T>(Vec<Weak<T>>);

impl<T> Superseded<T> {
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// This table was replaced.
    pub(super) fn add(&mut self, old: &Arc<T>) {
        self.0.retain(|table| table.strong_count() > 0);
        self.0.push(Arc::downgrade(old));
    }

    /// All that were replaced so far.
    pub(super) fn all(&self) -> Vec<Weak<T>> {
        self.0.clone()
    }
}

/// Waits until nobody reads any of these tables, so that no call can begin from one. Whoever asks holds none himself.
///
/// A call takes its lease while it holds the table; when a table has no owner, every call that found its row there has
/// its lease, and `in_flight` counts it.
pub(super) async fn readers_gone<T>(tables: Vec<Weak<T>>) {
    for table in tables {
        while table.strong_count() > 0 {
            tokio::time::sleep(LOOK).await;
        }
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

#[cfg(test)]
mod tests {
    use plugin_core::{Call, PluginError, Reply};
    use tower::service_fn;

    use super::super::Manager;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_a_reader_of_a_table_that_was_replaced_before_the_last_change() {
        let manager = Manager::<u32, u32>::new();
        let plugin =
            || service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
        manager.register("a", plugin()).expect("free");
        // A thread that was put aside between its look at the table and its call.
        let reader = manager.shared.table.load_full();
        manager.register("b", plugin()).expect("free");
        let limit = std::time::Duration::from_secs(60);
        let mut drain = std::pin::pin!(manager.drain("a", limit));
        let early = tokio::time::timeout(limit, drain.as_mut()).await;
        assert!(early.is_err(), "its call may still begin: {early:?}");
        drop(reader);
        assert!(drain.await.expect("known").is_clean());
        // Nor does a shutdown, whose refusal is one change more.
        let reader = manager.shared.table.load_full();
        manager.begin_shutdown();
        let mut shutdown = std::pin::pin!(manager.shutdown(limit));
        assert!(tokio::time::timeout(limit, shutdown.as_mut()).await.is_err());
        drop(reader);
        assert_eq!(shutdown.await.len(), 2);
    }
}
