//! Names that are known before their plugin is there.

use std::{fmt, sync::Arc, time::Duration};

use plugin_core::{BoxFuture, Call, Code, HealthState, HealthStatus, PluginError, PluginInfo, Rejected, Reply, Sent};
use plugin_telemetry::{Status, TelemetryHandle};

use super::{
    Controls, Manager, Registration, check_name,
    execute::Execute,
    on_demand_health::OnDemandHealth,
    registration::RegistrationParts,
    table::{PlaceState, Row, TableEntry},
    turn::{Stage, Turn},
};

/// When a caller may ask again whose plugin is being started. That is a pace and no forecast: how long a start takes nobody
/// knows.
const ASK_AGAIN: Duration = Duration::from_secs(1);

const STARTING: &str = "the plugin is being started";

const FAILED: &str = "the plugin could not be started and is tried again";

/// The rest of a sentence that begins with the plugin.
const WAITS: &str =
    "the plugin waits for its turn to be started: as many others as `start.max_concurrent` allows are starting";

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
        let refusal = starting(&self.name, &self.turn);
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

/// What is told of a plugin that is not there yet. Nothing was sent, and it is worth a second attempt.
pub(super) fn starting(name: &Arc<str>, turn: &Turn) -> PluginError {
    let rejected = Rejected::new(Code::Starting).with_retry_after(ASK_AGAIN);
    let refused = match turn.stage() {
        Stage::Waits => PluginError::refused(rejected, WAITS),
        Stage::Starts | Stage::Come => PluginError::from(rejected),
        Stage::Failed(failed) => {
            let rejected = Rejected::new(Code::CrashLoop);
            let rejected = failed.next().map_or(rejected, |after| rejected.with_retry_after(after));
            PluginError::refused(rejected, format!("{FAILED}: {}", failed.why))
        }
    };
    refused.with_sent(Sent::Nothing).with_plugin(Arc::clone(name))
}

/// How it is meanwhile, as that of a process that is started again.
pub(super) fn health(turn: &Turn) -> HealthStatus {
    match turn.stage() {
        Stage::Waits => HealthStatus::new(HealthState::Unhealthy, WAITS),
        Stage::Starts | Stage::Come => HealthStatus::new(HealthState::Unhealthy, STARTING),
        Stage::Failed(failed) => HealthStatus::new(HealthState::Offline, format!("{FAILED}: {}", failed.why)),
    }
}
