//! What is told of a plugin that is still to come.

use std::{sync::Arc, time::Duration};

use plugin_core::{Code, HealthState, HealthStatus, PluginError, Rejected, Sent};

use super::turn::{Stage, Turn};

/// When a caller may ask again whose plugin is being started. That is a pace and no forecast: how long a start takes nobody
/// knows.
const ASK_AGAIN: Duration = Duration::from_secs(1);

const STARTING: &str = "the plugin is being started";

const FAILED: &str = "the plugin could not be started and is tried again";

/// The rest of a sentence that begins with the plugin.
const WAITS: &str =
    "the plugin waits for its turn to be started: as many others as `start.max_concurrent` allows are starting";

/// What its callers are told. Nothing was sent, and it is worth a second attempt.
pub(super) fn starting(name: &Arc<str>, turn: &Turn) -> PluginError {
    let rejected = Rejected::new(Code::Starting).with_retry_after(ASK_AGAIN);
    let refused = match turn.stage() {
        Stage::Waits => PluginError::refused(rejected, WAITS),
        Stage::Starts | Stage::Come => PluginError::from(rejected),
        Stage::Failed(failed) => {
            let rejected = Rejected::new(Code::CrashLoop);
            let rejected = failed.next().map_or(rejected, |after| rejected.with_retry_after(after));
            // Why may name files and addresses.
            PluginError::refused(rejected, format!("{FAILED}: {}", failed.why)).with_message_for_callers(FAILED)
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
