//! The manager: names, the stacks behind them, and what is done with them while calls flow.

mod announce;
mod awaited;
mod controls;
mod drain;
mod execute;
mod name;
mod on_demand_health;
mod rate_limit;
mod registration;
mod shutdown;
mod switch;
mod table;
mod turn;
mod unregister;
mod view;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use plugin_core::{BoxFuture, Call, Code, HealthStatus, Plugin, PluginError, Reply, Sent, clock::Instant};
use plugin_telemetry::Status;
use plugin_transports::process::ProcessHandle;

pub use announce::Announcement;
pub(crate) use announce::Known;
pub(crate) use controls::WeakInstances;
pub use controls::{Controls, Instances};
pub use drain::DrainReport;
pub(crate) use name::looks_alike;
pub use name::{MAX_NAME, check_name};
pub use rate_limit::{LimitedKeys, RateLimitControl};
pub use registration::Registration;
pub(crate) use turn::Turn;
pub use view::{OverallHealth, PluginView, ServingState};

use table::{PlaceState, Row, Table, TableEntry};

/// Plugins by name. Cheap to clone; every clone is the same manager.
///
/// A call is one load of the table and one call through the stack's slots: one allocation, for the future that
/// [`execute`](Self::execute) returns. Every change builds a new table beside the old one and swaps it, so calls never
/// wait for a change. Dropping a call's future drops the call.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::{Call, PluginError, Reply};
/// use plugin_manager::manager::Manager;
/// use plugin_transports::inproc::plugin_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
///
/// let manager: Manager<u32, u32> = Manager::new();
/// manager.register("double", double)?;
/// assert_eq!(manager.execute("double", 21).await?.into_payload(), 42);
/// assert_eq!(manager.list().len(), 1);
///
/// assert!(manager.shutdown(Duration::from_secs(5)).await.iter().all(|report| report.is_clean()));
/// # Ok(())
/// # }
/// ```
pub struct Manager<Req, Res> {
    shared: Arc<Shared<Req, Res>>,
}

struct Shared<Req, Res> {
    table: ArcSwap<Table<Req, Res>>,
    /// Held while a new table is built from the present one, never across an await. What was replaced before.
    changing: Mutex<drain::Superseded<Table<Req, Res>>>,
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
        let changing = Mutex::new(drain::Superseded::none());
        Self { shared: Arc::new(Shared { table: ArcSwap::from_pointee(Table::new()), changing }) }
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

    fn insert(&self, row: Arc<Row<Req, Res>>, state: PlaceState) -> Result<(), PluginError> {
        self.change(|table| {
            table.takes_in(&row.name)?;
            if table.get(&row.name).is_some() {
                let problem = "a plugin with this name is registered already";
                return Err(PluginError::new(Code::DuplicateName, problem).with_plugin(Arc::clone(&row.name)));
            }
            Ok(table.with(TableEntry::new(row, state)))
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

    /// Of a call whose time was up before anything of it was sent: why there was no process, where that is what it waited for.
    /// Its own error knows no more than that it waited.
    pub(crate) fn explain(&self, name: &str, error: PluginError) -> PluginError {
        if error.code() != Code::Timeout || error.sent() != Sent::Nothing || error.detail().is_some() {
            return error;
        }
        let table = self.shared.table.load();
        let process = table.get(name).and_then(|place| place.row.parts.controls.process.as_ref());
        match process.and_then(ProcessHandle::why_down) {
            Some(why) => error.with_detail(why),
            None => error,
        }
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

    /// The health of every plugin, and of all together. What nobody checks regularly is asked now, at most `limit` long; those
    /// who want to know meanwhile hear the same answer.
    pub async fn health(&self, limit: Duration) -> OverallHealth {
        let rows: Vec<_> = self.shared.table.load().places().into_iter().cloned().collect();
        let checks = rows
            .iter()
            .filter(|place| !matches!(place.state, PlaceState::Disabled | PlaceState::Drained))
            .map(|place| async { (place.row.name.to_string(), health_of(&place.row, limit).await) });
        OverallHealth::of(join_all(checks).await)
    }

    /// Builds a new table from the present one and swaps it.
    fn change(
        &self,
        build: impl FnOnce(&Table<Req, Res>) -> Result<Table<Req, Res>, PluginError>,
    ) -> Result<(), PluginError> {
        // A panic in `build` leaves the present table as it is, so a poisoned lock is no reason to stop.
        let mut superseded = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let new = build(&self.shared.table.load())?;
        superseded.add(&self.shared.table.swap(Arc::new(new)));
        Ok(())
    }

    /// Waits until no call can begin from a table that was replaced by now.
    async fn readers_gone(&self) {
        let tables = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner).all();
        drain::readers_gone(tables).await;
    }

    fn row(&self, name: &str) -> Result<Arc<Row<Req, Res>>, PluginError> {
        let table = self.shared.table.load();
        table.get(name).map(|place| Arc::clone(&place.row)).ok_or_else(|| PluginError::not_found(name))
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
    if let Some(turn) = &row.parts.awaited {
        return awaited::health(turn);
    }
    if let Some(cell) = &row.parts.health {
        return cell.status();
    }
    let Some(probe) = &row.parts.probe else { return HealthStatus::default() };
    row.asked.ask(probe, limit).await
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
