//! The end of a manager: all of its plugins are drained and closed.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use plugin_core::clock;

use super::{DrainReport, Manager, drain, table::Row};

impl<Req, Res> Manager<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    /// Refuses new calls, lets those that run end within `limit`, closes every transport, and reports.
    ///
    /// Plugins are drained side by side. The manager stays usable for reading; a second call drains what is left.
    pub async fn shutdown(&self, limit: Duration) -> Vec<DrainReport> {
        self.shutdown_with(limit, || {}).await
    }

    /// The same, and says when calls that still run are not waited for any longer, before their transports are closed.
    pub(crate) async fn shutdown_with(&self, limit: Duration, over: impl FnOnce()) -> Vec<DrainReport> {
        let start = clock::now();
        self.begin_shutdown();
        let rows: Vec<_> = {
            let table = self.shared.table.load();
            table.places().into_iter().map(|place| Arc::clone(&place.row)).collect()
        };
        self.readers_gone().await;
        let close = async |row: &Arc<Row<Req, Res>>, unfinished, cut| {
            let close_error = drain::close(row, drain::closing_time(limit, start.elapsed())).await;
            let (name, took) = (row.name.to_string(), start.elapsed());
            DrainReport { name, took, unfinished, cut, close_error, undone: false }
        };
        // Those that are done are closed meanwhile.
        let drains = rows.iter().map(async |row| {
            let before = row.cut_calls();
            let unfinished = drain::calls_gone(row, limit.saturating_sub(start.elapsed()), || false).await;
            match (unfinished, row.cut_calls() - before) {
                (0, cut) => Ok(close(row, 0, cut).await),
                (unfinished, cut) => Err((row, unfinished, cut)),
            }
        });
        let drained = join_all(drains).await;
        over();
        let reports = join_all(drained.into_iter().map(async |drained| match drained {
            Ok(report) => report,
            Err((row, unfinished, cut)) => close(row, unfinished, cut).await,
        }));
        let reports = reports.await;
        rows.iter().for_each(|row| self.remove_row(row));
        reports
    }

    /// Refuses new calls, and plugins, from now on. [`shutdown`](Self::shutdown) does the rest.
    pub(crate) fn begin_shutdown(&self) {
        // It never fails.
        drop(self.change(|table| Ok(table.shutting_down())));
    }

    /// Whether [`shutdown`](Self::shutdown) has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shared.table.load().shutting_down
    }
}
