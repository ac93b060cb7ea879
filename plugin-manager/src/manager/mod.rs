//! The manager: names, the stacks behind them, and what is done with them while calls flow.

mod announce;
mod controls;
mod drain;
mod execute;
mod name;
mod registration;
mod table;
mod view;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use plugin_core::{
    BoxFuture, Call, Code, HealthStatus, Plugin, PluginError, PluginInfo, Reply,
    clock::{self, Instant},
    telemetry::Status,
};

pub use announce::Announcement;
pub(crate) use controls::WeakInstances;
pub use controls::{Controls, Instances};
pub use drain::DrainReport;
pub(crate) use name::looks_alike;
pub use name::{MAX_NAME, check_name};
pub use registration::Registration;
pub use view::{OverallHealth, PluginView, ServingState};

use table::{Place, PlaceState, Row, Table};

/// Plugins by name. Cheap to clone; every clone is the same manager.
///
/// A call is one load of the table and one call through the stack's slots: one allocation, for the future that
/// [`execute`](Self::execute) returns. Every change builds a new table beside the old one and swaps it, so calls never
/// wait for a change. Dropping a call's future drops the call.
pub struct Manager<Req, Res> {
    shared: Arc<Shared<Req, Res>>,
}

struct Shared<Req, Res> {
    table: ArcSwap<Table<Req, Res>>,
    /// Held while a new table is built from the present one, never across an await.
    changing: Mutex<()>,
}

impl<Req, Res> Default for Manager<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<Req, Res> Manager<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    /// A manager without plugins.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { table: ArcSwap::from_pointee(Table::new()), changing: Mutex::new(()) }) }
    }

    /// Registers a stack under a name.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1001` for a name that is not allowed, `PLUGIN_1010` for one that is taken, `LIFECYCLE_2102` when the
    /// manager is shutting down.
    pub fn register(&self, name: &str, stack: impl Plugin<Req, Res>) -> Result<(), PluginError> {
        self.register_with(name, Registration::new(stack))
    }

    /// Registers a stack together with its handles.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_with(&self, name: &str, registration: Registration<Req, Res>) -> Result<(), PluginError> {
        check_name(name)?;
        let row = Row::new(name.into(), registration);
        let state = if row.parts.enabled { PlaceState::Serving } else { PlaceState::Disabled };
        self.insert(Arc::new(row), state)
    }

    /// Makes a name known whose plugin is still to come, so that nobody is told that there is no such plugin while it is
    /// being started. `info` is what is known of it already.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use plugin_core::{Call, PluginError, PluginInfo, Reply};
    /// use plugin_manager::manager::{Manager, Registration, ServingState};
    /// use plugin_transports::inproc::plugin_fn;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), PluginError> {
    /// let manager: Manager<Bytes, Bytes> = Manager::new();
    /// let echo = manager.announce("echo", PluginInfo::new("echo", "1.0.0"))?;
    /// assert_eq!(manager.list()[0].state, ServingState::Starting);
    /// let refused = manager.execute("echo", "1".into()).await.unwrap_err();
    /// assert_eq!((refused.code().as_str(), refused.is_retryable()), ("LIFECYCLE_2105", true));
    ///
    /// // ... whatever takes its time, and then:
    /// let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
    /// echo.register(Registration::new(plugin))?;
    /// assert_eq!(manager.execute("echo", "1".into()).await?.payload(), "1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn announce(&self, name: &str, info: PluginInfo) -> Result<Announcement<Req, Res>, PluginError> {
        Announcement::make(self, name, info)
    }

    fn insert(&self, row: Arc<Row<Req, Res>>, state: PlaceState) -> Result<(), PluginError> {
        self.change(|table| {
            table.takes_in(&row.name)?;
            if table.get(&row.name).is_some() {
                let problem = "a plugin with this name is registered already";
                return Err(PluginError::new(Code::DuplicateName, problem).with_plugin(Arc::clone(&row.name)));
            }
            Ok(table.with(Place::new(row, state)))
        })?;
        Ok(())
    }

    /// Calls a plugin.
    ///
    /// # Errors
    ///
    /// The future answers `PLUGIN_1201` for an unknown name, `PLUGIN_1202` for a plugin that is switched off, a
    /// `LIFECYCLE` code while it is being started, drains, or the manager shuts down, and whatever the stack answers. What is
    /// refused here is in the plugin's counts too.
    pub fn execute(&self, name: &str, payload: Req) -> BoxFuture<Result<Reply<Res>, PluginError>> {
        self.execute_with(name, Call::new(payload))
    }

    /// Calls a plugin with a context: deadline, headers, affinity and so on.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn execute_with(&self, name: &str, call: Call<Req>) -> BoxFuture<Result<Reply<Res>, PluginError>> {
        let table = self.shared.table.load();
        match table.serving(name) {
            Ok(row) => row.call(call),
            Err(error) => {
                if let Some(place) = table.get(name) {
                    let code = error.code();
                    place.row.count(Status::of_code(code), Some(code), call.context().received());
                }
                Box::pin(std::future::ready(Err(error)))
            }
        }
    }

    /// Counts a call that was received at this moment and that ended before it came here. The counts of a plugin are then
    /// what its callers have seen.
    pub(crate) fn count(&self, name: &str, status: Status, code: Option<Code>, received: Instant) {
        if let Some(place) = self.shared.table.load().get(name) {
            place.row.count(status, code, received);
        }
    }

    /// Whether somebody counts the calls of this plugin, those that are refused too. Nobody does of one that is not there yet.
    pub(crate) fn counts(&self, name: &str) -> bool {
        self.shared.table.load().get(name).is_some_and(|place| place.row.parts.telemetry.is_some())
    }

    /// Whether a plugin of this name is registered, whatever its state.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.shared.table.load().get(name).is_some()
    }

    /// Whether there is a plugin of this name, and what a caller is told where there is none.
    pub(crate) fn knows(&self, name: &str) -> Result<(), PluginError> {
        self.shared.table.load().knows(name)
    }

    /// Every plugin, sorted by name.
    #[must_use]
    pub fn list(&self) -> Vec<PluginView> {
        self.shared.table.load().places().into_iter().map(PluginView::of).collect()
    }

    /// One plugin.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<PluginView> {
        self.shared.table.load().get(name).map(PluginView::of)
    }

    /// The health of every plugin, and of all together. What nobody checks regularly is asked now, at most `limit` long.
    pub async fn health(&self, limit: Duration) -> OverallHealth {
        let rows: Vec<_> = self.shared.table.load().places().into_iter().cloned().collect();
        let checks = rows
            .iter()
            .filter(|place| !matches!(place.state, PlaceState::Disabled | PlaceState::Drained))
            .map(|place| async { (place.row.name.to_string(), health_of(&place.row, limit).await) });
        OverallHealth::of(join_all(checks).await)
    }

    /// Switches a plugin on or off. Calls that run are not touched.
    ///
    /// Switching on undoes a drain, whether it is over or not, and begins anew with a process that has failed: earlier
    /// deaths are forgotten, and it is started now. Of a plugin that is switched off while it drains, whoever drains it still
    /// waits for its calls, and it is disabled afterwards and not drained.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name, `LIFECYCLE_2101` for a plugin whose transport is being closed, `PLUGIN_1202` for
    /// switching on one of which [nothing was started](Registration::switched_off).
    pub fn set_enabled(&self, name: &str, enabled: bool) -> Result<(), PluginError> {
        let mut found = None;
        self.change(|table| {
            let place = table.get(name).ok_or_else(|| PluginError::not_found(name))?;
            if place.state == PlaceState::Closing {
                return Err(PluginError::from(plugin_core::Rejected::new(Code::Draining)).with_plugin(name));
            }
            if enabled {
                place.row.started()?;
            }
            let state = if enabled { PlaceState::Serving } else { PlaceState::Disabled };
            found = Some(Arc::clone(&place.row));
            Ok(table.with(Place::new(Arc::clone(&place.row), state)))
        })?;
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
    /// which [nothing was started](Registration::switched_off), `LIFECYCLE_2105` for one that is
    /// [still to come](Self::announce), and the fault of the start when the new process does not become ready; it is then
    /// tried again by the usual rules.
    pub async fn restart(&self, name: &str) -> Result<(), PluginError> {
        let row = self.row(name)?;
        row.started()?;
        if row.parts.awaited {
            return Err(announce::starting(&row.name));
        }
        let Some(process) = row.parts.controls.process.clone() else {
            let problem = "this plugin has no process of its own that could be started again";
            return Err(PluginError::new(Code::UnsupportedTransport, problem).with_plugin(name));
        };
        process.restart().await
    }

    /// Drains a plugin and keeps it: new calls are refused with `LIFECYCLE_2101`, calls that run may end within `limit`,
    /// and then it is drained. [`set_enabled`](Self::set_enabled) undoes it at any time. Its transport stays open.
    ///
    /// No other plugin notices. A caller that drops this future leaves the plugin draining; call it again to go on. Of
    /// several at once each waits for its own limit, and the first that ends says that the plugin is drained. One that is
    /// unregistered meanwhile goes, and what is said here is whether its calls ended.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1201` for an unknown name, `LIFECYCLE_2101` for one whose transport is being closed to unregister it,
    /// `PLUGIN_1202` for one of which [nothing was started](Registration::switched_off).
    pub async fn drain(&self, name: &str, limit: Duration) -> Result<DrainReport, PluginError> {
        let start = clock::now();
        self.row(name)?.started()?;
        let refuse = |state| match state {
            PlaceState::Closing => Err(PluginError::from(plugin_core::Rejected::new(Code::Draining)).with_plugin(name)),
            _ => Ok(PlaceState::Draining),
        };
        let row = self.refuse_calls(name, refuse).await?;
        let unfinished = self.calls_gone(&row, limit).await;
        // Whoever drains it too, or takes it out, may have been faster: what they made of it stays.
        let state = self.change_state(&row, |state| match state {
            PlaceState::Draining => PlaceState::Drained,
            other => other,
        });
        let undone = state == Some(PlaceState::Serving);
        Ok(DrainReport { name: name.to_owned(), took: start.elapsed(), unfinished, close_error: None, undone })
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
            close_error,
            undone: false,
        })
    }

    /// Drains a plugin and takes it out: new calls are refused with `LIFECYCLE_2101`, calls that run may end within
    /// `limit`, then the transport is closed with what is left of that time, and at least a second.
    ///
    /// No other plugin notices. A caller that drops this future leaves the plugin draining; call it again to go on. Until
    /// its transport is being closed, [`set_enabled`](Self::set_enabled) undoes it; a [`drain`](Self::drain) that ends
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
        let unfinished = self.calls_gone(&row, limit).await;
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
        Ok(DrainReport { name: name.to_owned(), took: start.elapsed(), unfinished, close_error, undone })
    }

    /// Gives a plugin a state in which it takes no new call, and waits until none can begin.
    async fn refuse_calls(
        &self,
        name: &str,
        next: impl FnOnce(PlaceState) -> Result<PlaceState, PluginError>,
    ) -> Result<Arc<Row<Req, Res>>, PluginError> {
        let mut found = None;
        let old = self.change(|table| {
            let place = table.get(name).ok_or_else(|| PluginError::not_found(name))?;
            found = Some(Arc::clone(&place.row));
            Ok(table.with(Place::new(Arc::clone(&place.row), next(place.state)?)))
        })?;
        drain::readers_gone(old).await;
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
            Ok(table.with(Place::new(Arc::clone(row), next)))
        });
        drop(changed);
        state
    }

    /// Refuses new calls, lets those that run end within `limit`, closes every transport, and reports.
    ///
    /// Plugins are drained side by side. The manager stays usable for reading; a second call drains what is left.
    pub async fn shutdown(&self, limit: Duration) -> Vec<DrainReport> {
        self.shutdown_with(limit, || {}).await
    }

    /// The same, and says when calls that still run are not waited for any longer, before their transports are closed.
    pub(crate) async fn shutdown_with(&self, limit: Duration, over: impl FnOnce()) -> Vec<DrainReport> {
        let start = clock::now();
        let old = self.refuse_all();
        let rows: Vec<_> = old.places().into_iter().map(|place| Arc::clone(&place.row)).collect();
        drain::readers_gone(old).await;
        let close = async |row: &Arc<Row<Req, Res>>, unfinished| {
            let close_error = drain::close(row, drain::closing_time(limit, start.elapsed())).await;
            DrainReport { name: row.name.to_string(), took: start.elapsed(), unfinished, close_error, undone: false }
        };
        // Those that are done are closed meanwhile.
        let drains = rows.iter().map(async |row| {
            match drain::calls_gone(row, limit.saturating_sub(start.elapsed()), || false).await {
                0 => Ok(close(row, 0).await),
                unfinished => Err((row, unfinished)),
            }
        });
        let drained = join_all(drains).await;
        over();
        let reports = join_all(drained.into_iter().map(async |drained| match drained {
            Ok(report) => report,
            Err((row, unfinished)) => close(row, unfinished).await,
        }));
        let reports = reports.await;
        rows.iter().for_each(|row| self.remove_row(row));
        reports
    }

    /// Refuses new calls, and plugins, from now on. [`shutdown`](Self::shutdown) does the rest.
    pub(crate) fn begin_shutdown(&self) {
        drop(self.refuse_all());
    }

    /// Gives back the table from before.
    fn refuse_all(&self) -> Arc<Table<Req, Res>> {
        let _changing = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.shared.table.load().shutting_down();
        self.shared.table.swap(Arc::new(new))
    }

    /// Whether [`shutdown`](Self::shutdown) has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shared.table.load().shutting_down
    }

    /// Builds a new table from the present one and swaps it. Gives back the old one.
    fn change(
        &self,
        build: impl FnOnce(&Table<Req, Res>) -> Result<Table<Req, Res>, PluginError>,
    ) -> Result<Arc<Table<Req, Res>>, PluginError> {
        // A panic in `build` leaves the present table as it is, so a poisoned lock is no reason to stop.
        let _changing = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let new = build(&self.shared.table.load())?;
        Ok(self.shared.table.swap(Arc::new(new)))
    }

    fn row(&self, name: &str) -> Result<Arc<Row<Req, Res>>, PluginError> {
        let table = self.shared.table.load();
        table.get(name).map(|place| Arc::clone(&place.row)).ok_or_else(|| PluginError::not_found(name))
    }

    fn take(&self, name: &str) -> Result<Place<Req, Res>, PluginError> {
        let mut taken = None;
        self.change(|table| {
            taken = Some(table.get(name).cloned().ok_or_else(|| PluginError::not_found(name))?);
            Ok(table.without(name))
        })?;
        taken.ok_or_else(|| PluginError::not_found(name))
    }

    /// Removes a name, unless another stack has been registered under it meanwhile.
    fn remove_row(&self, row: &Arc<Row<Req, Res>>) {
        let removed = self.change(|table| match table.get(&row.name) {
            Some(place) if Arc::ptr_eq(&place.row, row) => Ok(table.without(&row.name)),
            _ => Err(PluginError::not_found(&row.name)),
        });
        drop(removed);
    }
}

async fn health_of<Req, Res>(row: &Row<Req, Res>, limit: Duration) -> HealthStatus {
    if row.parts.awaited {
        return announce::health();
    }
    if let Some(cell) = &row.parts.health {
        return cell.status();
    }
    let Some(probe) = &row.parts.probe else { return HealthStatus::default() };
    plugin_health::ask(probe, limit).await
}

impl<Req, Res> Clone for Manager<Req, Res> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<Req, Res> fmt::Debug for Manager<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.shared.table.load();
        let names: Vec<_> = table.places().into_iter().map(|place| Arc::clone(&place.row.name)).collect();
        f.debug_struct("Manager").field("plugins", &names).finish()
    }
}
