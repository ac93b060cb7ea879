//! Announced plugins: names that are in the table before their plugin is started.

use std::{fmt, sync::Arc};

use plugin_core::{BoxFuture, Call, PluginError, PluginInfo, Reply};
use plugin_telemetry::{Status, TelemetryHandle};

use super::{
    Controls, Manager, Registration, awaited, check_name,
    execute::Execute,
    on_demand_health::OnDemandHealth,
    registration::RegistrationParts,
    table::{PlaceState, Row, TableEntry},
    turn::Turn,
};

impl<Req, Res> Manager<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
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
        self.announce_known(name, Known { info, ..Known::default() })
    }

    /// The same of a plugin of which more is known. Where its counts are, the calls that are refused meanwhile are in them.
    pub(crate) fn announce_known(&self, name: &str, known: Known) -> Result<Announcement<Req, Res>, PluginError> {
        Announcement::make(self, name, known)
    }
}

/// A name that a manager knows and whose plugin is still to come. Dropping it takes the name out again.
///
/// Until [`register`](Self::register) the plugin is [`Starting`](super::ServingState::Starting): it is listed, it is unhealthy,
/// and its calls are refused with `LIFECYCLE_2105`. An operator can disable or drain it; it is then registered in that state.
#[must_use = "dropping it takes the name out of the manager"]
pub struct Announcement<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    manager: Manager<Req, Res>,
    row: Arc<Row<Req, Res>>,
    turn: Arc<Turn>,
}

impl<Req, Res> Announcement<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    pub(super) fn make(manager: &Manager<Req, Res>, name: &str, known: Known) -> Result<Self, PluginError> {
        check_name(name)?;
        let Known { mut info, telemetry, controls, waits } = known;
        let turn = Arc::new(Turn::new(waits));
        let name: Arc<str> = name.into();
        if info.name.is_empty() {
            info.name = name.to_string();
        }
        let execute =
            Box::new(Awaited { name: Arc::clone(&name), telemetry: telemetry.clone(), turn: Arc::clone(&turn) });
        let row = Arc::new(Row {
            execute,
            name,
            parts: RegistrationParts {
                awaited: Some(Arc::clone(&turn)),
                info,
                telemetry,
                controls,
                ..RegistrationParts::default()
            },
            asked: OnDemandHealth::default(),
        });
        manager.insert(Arc::clone(&row), PlaceState::Serving)?;
        Ok(Self { manager: manager.clone(), row, turn })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.row.name
    }

    /// Whose turn it is.
    pub(crate) fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }

    /// Puts the plugin in its place: from now on it is called.
    ///
    /// # Errors
    ///
    /// `LIFECYCLE_2102` when the manager is shutting down, `PLUGIN_1201` when the name was taken out meanwhile. What was to
    /// be registered is then dropped.
    pub fn register(self, registration: Registration<Req, Res>) -> Result<(), PluginError> {
        let new = Row::new(Arc::clone(&self.row.name), registration);
        let enabled = new.parts.enabled;
        let new = Arc::new(new);
        self.manager.change(|table| {
            table.takes_in(&self.row.name)?;
            let state = match table.state_of(&self.row) {
                Some(PlaceState::Serving) if enabled => PlaceState::Serving,
                Some(PlaceState::Serving | PlaceState::Disabled) => PlaceState::Disabled,
                // There was no call that a drain could wait for.
                Some(PlaceState::Draining | PlaceState::Drained) => PlaceState::Drained,
                Some(PlaceState::Closing) | None => return Err(PluginError::not_found(&self.row.name)),
            };
            Ok(table.with(TableEntry::new(new, state)))
        })?;
        self.turn.come();
        Ok(())
    }
}

impl<Req, Res> Drop for Announcement<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    fn drop(&mut self) {
        // Nothing where the plugin has come: that is another row.
        self.manager.remove_row(&self.row);
    }
}

impl<Req, Res> fmt::Debug for Announcement<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Announcement").field(&self.row.name).finish()
    }
}

/// What is known of a plugin that is still to come.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) info: PluginInfo,
    /// The counts of the stack that is to come: they go on when it is there.
    pub(crate) telemetry: Option<TelemetryHandle>,
    /// The limits that it will have.
    pub(crate) controls: Controls,
    /// Others are started before it, until its [turn](Announcement::turn) begins.
    pub(crate) waits: bool,
}

/// What is called in place of a plugin that is not there yet.
struct Awaited {
    name: Arc<str>,
    telemetry: Option<TelemetryHandle>,
    turn: Arc<Turn>,
}

impl<Req: Send + 'static, Res: Send + 'static> Execute<Req, Res> for Awaited {
    fn execute(&self, call: Call<Req>) -> BoxFuture<Result<Reply<Res>, PluginError>> {
        let refusal = awaited::starting(&self.name, &self.turn);
        if let Some(telemetry) = &self.telemetry {
            let code = refusal.code();
            telemetry.count(Status::of_code(code), Some(code), call.context().received().elapsed());
        }
        Box::pin(std::future::ready(Err(refusal)))
    }

    fn in_flight(&self) -> usize {
        0
    }
}
