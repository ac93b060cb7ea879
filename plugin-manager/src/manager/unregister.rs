//! Draining a plugin, and taking it out.

use std::{sync::Arc, time::Duration};

use plugin_core::{Code, PluginError, Rejected, clock};

use super::{
    DrainReport, Manager, drain,
    table::{PlaceState, Row, TableEntry},
};

impl<Req, Res> Manager<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    /// Drains a plugin and keeps it: new calls are refused with `LIFECYCLE_2101`, calls that run may end within `limit`,
    /// and then it is drained: it is [`Draining`](super::ServingState::Draining) as long as a call runs, also beyond that time.
    /// [`enable`](Self::enable) undoes it at any time. Its transport stays open.
    ///
    /// No other plugin notices. A caller that drops this future leaves the plugin draining; call it again to go on. Of
    /// several at once each waits for its own limit, and the first that ends says that the plugin is drained. One that is
    /// unregistered meanwhile goes, and what is said here is whether its calls ended.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name, `LIFECYCLE_2101` for one whose transport is being closed to unregister it,
    /// `PLUGIN_1202` for one of which [nothing was started](super::Registration::switched_off).
    pub async fn drain(&self, name: &str, limit: Duration) -> Result<DrainReport, PluginError> {
        let start = clock::now();
        self.row(name)?.started()?;
        let refuse = |state| match state {
            PlaceState::Closing => Err(PluginError::from(Rejected::new(Code::Draining)).with_plugin(name)),
            _ => Ok(PlaceState::Draining),
        };
        let row = self.refuse_calls(name, refuse).await?;
        if let Some(turn) = &row.parts.awaited {
            turn.leave();
        }
        let before = row.cut_calls();
        let unfinished = self.calls_gone(&row, limit).await;
        let cut = row.cut_calls() - before;
        // Whoever drains it too, or takes it out, may have been faster: what they made of it stays.
        let state = self.change_state(&row, |state| match state {
            PlaceState::Draining => PlaceState::Drained,
            other => other,
        });
        let undone = state == Some(PlaceState::Serving);
        let close_error = None;
        Ok(DrainReport { name: name.to_owned(), took: start.elapsed(), unfinished, cut, close_error, undone })
    }

    /// Takes a plugin out at once. Calls that run keep their stack until they end; the transport is closed with this
    /// grace period, which may cut them off.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name.
    pub async fn unregister(&self, name: &str, grace: Duration) -> Result<DrainReport, PluginError> {
        let start = clock::now();
        let place = self.take(name)?;
        let close_error = drain::close(&place.row, grace).await;
        Ok(DrainReport {
            name: name.to_owned(),
            took: start.elapsed(),
            unfinished: place.row.execute.in_flight(),
            cut: 0,
            close_error,
            undone: false,
        })
    }

    /// Drains a plugin and takes it out: new calls are refused with `LIFECYCLE_2101`, calls that run may end within
    /// `limit`, then the transport is closed with what is left of that time, and at least a second.
    ///
    /// No other plugin notices. A caller that drops this future leaves the plugin draining; call it again to go on. Until
    /// its transport is being closed, [`enable`](Self::enable) undoes it; a [`drain`](Self::drain) that ends
    /// meanwhile does not.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name.
    pub async fn unregister_gracefully(&self, name: &str, limit: Duration) -> Result<DrainReport, PluginError> {
        let start = clock::now();
        let refuse = |state| match state {
            // One whose closing was begun and dropped goes on from there.
            PlaceState::Closing => Ok(PlaceState::Closing),
            _ => Ok(PlaceState::Draining),
        };
        let row = self.refuse_calls(name, refuse).await?;
        let before = row.cut_calls();
        let unfinished = self.calls_gone(&row, limit).await;
        let cut = row.cut_calls() - before;
        let state = self.change_state(&row, |state| match state {
            PlaceState::Serving => PlaceState::Serving,
            _ => PlaceState::Closing,
        });
        let mut close_error = None;
        // Without a state it was taken out meanwhile, and closed by whoever did that.
        if state == Some(PlaceState::Closing) {
            close_error = drain::close(&row, drain::closing_time(limit, start.elapsed())).await;
            self.remove_row(&row);
        }
        let undone = state == Some(PlaceState::Serving);
        Ok(DrainReport { name: name.to_owned(), took: start.elapsed(), unfinished, cut, close_error, undone })
    }

    /// Gives a plugin a state in which it takes no new call, and waits until none can begin.
    async fn refuse_calls(
        &self,
        name: &str,
        next: impl FnOnce(PlaceState) -> Result<PlaceState, PluginError>,
    ) -> Result<Arc<Row<Req, Res>>, PluginError> {
        let mut found = None;
        self.change(|table| {
            let place = table.get(name).ok_or_else(|| PluginError::not_found(name))?;
            found = Some(Arc::clone(&place.row));
            Ok(table.with(TableEntry::new(Arc::clone(&place.row), next(place.state)?)))
        })?;
        self.readers_gone().await;
        found.ok_or_else(|| PluginError::not_found(name))
    }

    /// Waits until no call runs, the time is up, or the plugin serves again. Gives back how many calls still run.
    async fn calls_gone(&self, row: &Arc<Row<Req, Res>>, limit: Duration) -> usize {
        let serves = || self.shared.table.load().state_of(row) == Some(PlaceState::Serving);
        drain::calls_gone(row, limit, serves).await
    }

    /// Moves a plugin on from the state that it is in, and gives back the one it is in then. `None`: it was taken out.
    fn change_state(
        &self,
        row: &Arc<Row<Req, Res>>,
        next: impl FnOnce(PlaceState) -> PlaceState,
    ) -> Option<PlaceState> {
        let mut state = None;
        let changed = self.change(|table| {
            let present = table.state_of(row).ok_or_else(|| PluginError::not_found(&row.name))?;
            let next = *state.insert(next(present));
            Ok(table.with(TableEntry::new(Arc::clone(row), next)))
        });
        drop(changed);
        state
    }

    fn take(&self, name: &str) -> Result<TableEntry<Req, Res>, PluginError> {
        let mut taken = None;
        self.change(|table| {
            taken = Some(table.get(name).cloned().ok_or_else(|| PluginError::not_found(name))?);
            Ok(table.without(name))
        })?;
        taken.ok_or_else(|| PluginError::not_found(name))
    }
}
