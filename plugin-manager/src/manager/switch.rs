//! Switching a plugin on and off, and starting its process again.

use std::sync::Arc;

use plugin_core::{Code, PluginError, Rejected};

use super::{
    Manager, awaited,
    table::{PlaceState, TableEntry},
    turn::{Stage, Turn},
};

impl<Req, Res> Manager<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    /// Switches a plugin on. Calls that run are not touched.
    ///
    /// This undoes a drain, whether it is over or not, and resets a process that has failed: earlier deaths are forgotten,
    /// and it is started now.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name, `LIFECYCLE_2101` for a plugin whose transport is being closed, `PLUGIN_1202` for
    /// one of which [nothing was started](super::Registration::switched_off).
    pub fn enable(&self, name: &str) -> Result<(), PluginError> {
        self.switch(name, true)
    }

    /// Switches a plugin off. Calls that run are not touched, and new ones are refused with `PLUGIN_1202`.
    ///
    /// Where the plugin is being drained, whoever drains it still waits for its calls, and it is disabled afterwards and not
    /// drained.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name, `LIFECYCLE_2101` for a plugin whose transport is being closed.
    pub fn disable(&self, name: &str) -> Result<(), PluginError> {
        self.switch(name, false)
    }

    fn switch(&self, name: &str, enabled: bool) -> Result<(), PluginError> {
        let mut found = None;
        self.change(|table| {
            let place = table.get(name).ok_or_else(|| PluginError::not_found(name))?;
            if place.state == PlaceState::Closing {
                return Err(PluginError::from(Rejected::new(Code::Draining)).with_plugin(name));
            }
            if enabled {
                place.row.started()?;
            }
            let state = if enabled { PlaceState::Serving } else { PlaceState::Disabled };
            found = Some(Arc::clone(&place.row));
            Ok(table.with(TableEntry::new(Arc::clone(&place.row), state)))
        })?;
        if let Some(turn) = found.as_ref().filter(|_| !enabled).and_then(|row| row.parts.awaited.as_ref()) {
            turn.leave();
        }
        if let Some(process) = found.filter(|_| enabled).as_ref().and_then(|row| row.parts.controls.process.as_ref()) {
            process.retry_now();
        }
        Ok(())
    }

    /// Stops the process of a plugin and starts it again, or starts one that has failed; earlier deaths are forgotten.
    /// Resolves when the new process is ready. Dropping the future changes nothing: the restart goes on.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name, `PLUGIN_1008` for a plugin that has no process of its own, `PLUGIN_1202` for one of
    /// which [nothing was started](super::Registration::switched_off), `LIFECYCLE_2105` for one that is
    /// [still to come](Self::announce) and has not failed, and the fault of the start when the new process does not become ready;
    /// it is then tried again by the usual rules.
    pub async fn restart(&self, name: &str) -> Result<(), PluginError> {
        let row = self.row(name)?;
        row.started()?;
        if let Some(turn) = &row.parts.awaited {
            return tried(&row.name, turn).await;
        }
        let Some(process) = row.parts.controls.process.clone() else {
            let problem = "this plugin has no process of its own that could be started again";
            return Err(PluginError::new(Code::UnsupportedTransport, problem).with_plugin(name));
        };
        process.restart().await
    }

    /// Resolves when the process of a plugin is ready, which is started now where it waits for that; at once where it has
    /// none.
    pub(crate) async fn started(&self, name: &str) -> Result<(), PluginError> {
        let row = self.row(name)?;
        match (&row.parts.awaited, row.parts.controls.process.clone()) {
            (Some(turn), _) if matches!(turn.stage(), Stage::Failed(_)) => tried(&row.name, turn).await,
            (_, Some(process)) => process.start().await,
            (_, None) => Ok(()),
        }
    }
}

/// Has a start that has failed tried again now. One that goes on, or is still to begin, is not waited for.
async fn tried(name: &Arc<str>, turn: &Turn) -> Result<(), PluginError> {
    if matches!(turn.stage(), Stage::Failed(_)) && turn.try_now().await {
        return Ok(());
    }
    Err(awaited::starting(name, turn))
}
