//! What a process that was started again begins with.

use std::sync::Arc;

use plugin_breaker::CircuitState;
use plugin_transports::process::{ProcessEvent, ProcessHandle};
use tokio::sync::broadcast::error::RecvError;

use crate::manager::Controls;

/// Gives each new process of a plugin a fresh start, for as long as the plugin lives: what was counted of the last one is
/// forgotten at its death, and when the next is ready an open breaker is closed and health is checked at once.
///
/// Calls that were lost with one process are as many failures, and more than enough to open its breaker. They are evidence
/// against the process that died, and the next one would be kept waiting for them for the whole recovery time; meanwhile
/// callers would be told that time, and not the one that the process is away. A plugin that dies again and again is not spared by this: its supervisor says that it has failed. What an operator isolated, disabled or
/// set to report only stays so; a circuit that was opened by hand for its open time counts as open.
pub(super) fn follow(plugin: &Arc<str>, controls: &Controls, process: &ProcessHandle) {
    let (plugin, controls, mut events) = (Arc::clone(plugin), controls.clone(), process.subscribe());
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                // Some events were missed, and one of them may have been this.
                Ok(ProcessEvent::Ready { .. }) | Err(RecvError::Lagged(_)) => {
                    close_breaker(&plugin, &controls, &[CircuitState::Open, CircuitState::HalfOpen]);
                    for check in &controls.health_checks {
                        check.check_now().await;
                    }
                }
                // A closed one too: calls that were lost and have not been counted yet belong to the state before.
                Ok(ProcessEvent::Died { .. }) => {
                    let states = [CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen];
                    close_breaker(&plugin, &controls, &states);
                }
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
}

fn close_breaker(plugin: &str, controls: &Controls, when: &[CircuitState]) {
    let Some(breaker) = &controls.breaker else { return };
    let state = breaker.state();
    if when.contains(&state) {
        if state != CircuitState::Closed {
            tracing::info!(plugin, "the breaker is closed: what opened it was another process");
        }
        breaker.begin_anew();
    }
}
