//! What happens to plugins, as lines in the log.

use std::sync::Arc;

use plugin_breaker::{CircuitState, Event};
use plugin_transports::process::{ProcessEvent, ProcessHandle};
use tokio::sync::broadcast::error::RecvError;

use crate::manager::Controls;

/// Logs the transitions of a plugin's breaker and health, and the life of its process, for as long as they live.
pub(super) fn follow(plugin: Arc<str>, controls: &Controls, process: Option<&ProcessHandle>) {
    if let Some(breaker) = &controls.breaker {
        let plugin = Arc::clone(&plugin);
        tokio::spawn(breaker.events().for_each(move |event| log_breaker(&plugin, &event)));
    }
    for check in &controls.health_checks {
        let (plugin, mut changes) = (Arc::clone(&plugin), check.changes());
        tokio::spawn(async move {
            while let Some(status) = changes.next().await {
                if status.state.is_serving() {
                    tracing::info!(plugin = &*plugin, health = status.state.as_str(), "health changed");
                } else {
                    tracing::warn!(plugin = &*plugin, health = status.state.as_str(), message = status.message, "health changed");
                }
            }
        });
    }
    if let Some(process) = process {
        let mut events = process.subscribe();
        tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => log_process(&plugin, &event),
                    Err(RecvError::Lagged(missed)) => tracing::warn!(plugin = &*plugin, missed, "events were missed"),
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}

fn log_breaker(plugin: &str, event: &Event) {
    let (from, to) = (event.from.as_str(), event.to.as_str());
    if matches!(event.to, CircuitState::Open | CircuitState::Isolated) {
        tracing::warn!(plugin, from, to, reason = %event.reason, "circuit breaker");
    } else {
        tracing::info!(plugin, from, to, reason = %event.reason, "circuit breaker");
    }
}

fn log_process(plugin: &str, event: &ProcessEvent) {
    match event {
        ProcessEvent::Started { pid } => tracing::debug!(plugin, pid, "process started"),
        ProcessEvent::Ready { pid } => tracing::info!(plugin, pid, "process ready"),
        ProcessEvent::Died { pid, why } => tracing::warn!(plugin, pid, why, "process died"),
        ProcessEvent::StartFailed { why } => tracing::warn!(plugin, why, "process did not start"),
        ProcessEvent::Restarting { after } => tracing::info!(plugin, ?after, "process restarts"),
        ProcessEvent::GivenUp => tracing::error!(plugin, "process died too often and is not started again"),
        ProcessEvent::Stopped => tracing::info!(plugin, "process stopped"),
        other => tracing::info!(plugin, event = ?other, "process"),
    }
}
