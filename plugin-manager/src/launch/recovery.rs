//! What a process that was started again begins with.

use std::sync::Arc;

use plugin_breaker::CircuitState;
use plugin_transports::process::{ProcessEvent, ProcessHandle};
use tokio::sync::broadcast::error::RecvError;

use crate::manager::Controls;

/// Gives a process that is ready again a fresh start: an open breaker is closed and health is checked at once, for as
/// long as the plugin lives.
///
/// Calls that were lost with one process are as many failures, and more than enough to open its breaker. They are evidence
/// against the process that died, and the next one would be kept waiting for them for the whole recovery time. A plugin
/// that dies again and again is not spared by this: its supervisor says that it has failed. What an operator isolated, disabled or
/// set to report only stays so; a circuit that was opened by hand for its open time counts as open.
pub(super) fn follow(plugin: &Arc<str>, controls: &Controls, process: &ProcessHandle) {
    let (plugin, controls, mut events) = (Arc::clone(plugin), controls.clone(), process.subscribe());
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                // Some events were missed, and one of them may have been this.
                Ok(ProcessEvent::Ready { .. }) | Err(RecvError::Lagged(_)) => start_afresh(&plugin, &controls).await,
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
}

async fn start_afresh(plugin: &str, controls: &Controls) {
    if let Some(breaker) = &controls.breaker
        && matches!(breaker.state(), CircuitState::Open | CircuitState::HalfOpen)
    {
        tracing::info!(plugin, "the breaker is closed for the process that is ready again");
        breaker.reset();
    }
    for check in &controls.health_checks {
        check.check_now().await;
    }
}
