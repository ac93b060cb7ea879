//! What `list` and `get` return: a plugin's info, state, health and handles.

use std::time::Duration;

use plugin_core::{HealthState, HealthStatus, PluginInfo, clock::Instant};
use plugin_telemetry::TelemetryHandle;
use plugin_transports::process::{ProcessHandle, ProcessState};

use super::{
    awaited,
    controls::Controls,
    registration::RegistrationParts,
    table::{PlaceState, TableEntry},
    turn::{Failed, Stage},
};

/// Whether a plugin takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServingState {
    /// It does.
    Serving,
    /// It is switched on, and still to be started: others are started before it.
    Waiting,
    /// It is switched on, and being started for the first time.
    Starting,
    /// It is switched off.
    Disabled,
    /// It finishes what it has.
    Draining,
    /// It has finished what it had, and takes no calls until it is switched on again.
    Drained,
    /// It is switched on, and its process is being started again.
    Restarting,
    /// It is switched on, and its process died too often, or it could not be started. It is tried again now and then.
    Failed,
}

impl ServingState {
    /// The state in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Disabled => "disabled",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        }
    }

    /// Whether the plugin is still to come.
    pub(crate) const fn is_to_come(self) -> bool {
        matches!(self, Self::Waiting | Self::Starting)
    }

    /// The number that metrics have for it.
    pub(crate) const fn metric(self) -> u64 {
        match self {
            Self::Serving => 0,
            Self::Waiting | Self::Starting => 1,
            Self::Restarting => 2,
            Self::Failed => 3,
            Self::Draining => 4,
            Self::Drained => 5,
            Self::Disabled => 6,
        }
    }
}

/// A plugin as the manager knows it at one moment. The handles in it are live.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginView {
    /// The name that it is called by.
    pub name: String,
    /// Whether it takes calls.
    pub state: ServingState,
    /// When this state began: of one with a process that serves, restarts or has failed no earlier than its process did.
    pub since: Instant,
    /// What it says of itself.
    pub info: PluginInfo,
    /// Calls that are running.
    pub in_flight: usize,
    /// The last regular check's result, where there is a regular check, or what the supervisor of its process knows
    /// better.
    pub health: Option<HealthStatus>,
    /// When that state of health began.
    pub health_since: Option<Instant>,
    /// The time until it is started next, while it waits for that: its process after a death, or another plugin whose start has
    /// failed.
    pub next_start: Option<Duration>,
    /// The counts of its telemetry layer, where it has one.
    pub telemetry: Option<TelemetryHandle>,
    /// The handles of its layers, where it has them.
    pub controls: Controls,
}

impl PluginView {
    pub(super) fn of<Req, Res>(place: &TableEntry<Req, Res>) -> Self {
        let parts = &place.row.parts;
        let (process, in_flight) = (parts.controls.process.as_ref(), place.row.execute.in_flight());
        let stage = parts.awaited.as_ref().map(|turn| turn.stage());
        let failed =
            stage.as_ref().and_then(|stage| if let Stage::Failed(failed) = stage { Some(failed) } else { None });
        let state = match place.state {
            PlaceState::Serving if stage.is_some() => match &stage {
                Some(Stage::Waits) => ServingState::Waiting,
                Some(Stage::Failed(_)) => ServingState::Failed,
                _ => ServingState::Starting,
            },
            PlaceState::Serving => match process.map(ProcessHandle::state) {
                Some(ProcessState::Restarting) => ServingState::Restarting,
                Some(ProcessState::Failed) => ServingState::Failed,
                _ => ServingState::Serving,
            },
            PlaceState::Disabled => ServingState::Disabled,
            PlaceState::Draining | PlaceState::Closing => ServingState::Draining,
            // The drain has run out of its time: who waits for the end of the calls is not to take it for that.
            PlaceState::Drained if in_flight > 0 => ServingState::Draining,
            PlaceState::Drained => ServingState::Drained,
        };
        let to_come = parts.awaited.as_ref().filter(|_| place.state == PlaceState::Serving);
        let health_since = match to_come {
            Some(_) => Some(failed.map_or(place.since, |failed| failed.since)),
            None => parts.health.as_ref().map(|cell| cell.since()),
        };
        // The supervisor holds the cell while its process is not ready.
        let since = match state {
            ServingState::Restarting | ServingState::Failed => health_since.unwrap_or(place.since),
            ServingState::Serving => {
                place.since.max(process.and_then(ProcessHandle::ready_since).unwrap_or(place.since))
            }
            _ => place.since,
        };
        Self {
            name: place.row.name.to_string(),
            state,
            since,
            info: info(parts),
            in_flight,
            health: match to_come {
                Some(turn) => Some(awaited::health(turn)),
                None => parts.health.as_ref().map(|cell| cell.status()),
            },
            health_since,
            next_start: process.map_or_else(|| failed.and_then(Failed::next), ProcessHandle::next_start),
            telemetry: parts.telemetry.clone(),
            controls: parts.controls.clone(),
        }
    }
}

/// What is known of a plugin: what it said when it was last ready, where that is known, and what the configuration has.
fn info(parts: &RegistrationParts) -> PluginInfo {
    let mut info = parts.info.clone();
    let Some(said) = parts.controls.process.as_ref().and_then(ProcessHandle::info) else { return info };
    if !said.version.is_empty() {
        info.version = said.version;
    }
    if !said.description.is_empty() {
        info.description = said.description;
    }
    for (key, value) in said.metadata {
        info.metadata.entry(key).or_insert(value);
    }
    info
}

/// The health of all plugins together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OverallHealth {
    /// Unhealthy when any plugin is offline or unhealthy, else degraded when any is, else healthy.
    pub state: HealthState,
    /// Names those that are not well.
    pub message: String,
    /// Every plugin that is switched on, sorted by name.
    pub plugins: Vec<(String, HealthStatus)>,
}

impl OverallHealth {
    /// The rule of H1: any plugin that is down makes the whole unhealthy, and the message names it.
    pub(super) fn of(plugins: Vec<(String, HealthStatus)>) -> Self {
        let named = |wanted: &[HealthState]| {
            let names: Vec<_> = plugins
                .iter()
                .filter(|(_, status)| wanted.contains(&status.state))
                .map(|(name, status)| format!("{name} is {}", status.state))
                .collect();
            names.join(", ")
        };
        let down = named(&[HealthState::Unhealthy, HealthState::Offline]);
        let degraded = named(&[HealthState::Degraded]);
        let (state, message) = if !down.is_empty() {
            (HealthState::Unhealthy, down)
        } else if !degraded.is_empty() {
            (HealthState::Degraded, degraded)
        } else {
            (HealthState::Healthy, String::new())
        };
        Self { state, message, plugins }
    }
}
