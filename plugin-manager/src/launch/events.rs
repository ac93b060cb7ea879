//! What happens to plugins, as lines in the log.

use std::sync::Arc;

use plugin_breaker::{CircuitState, Event};

use crate::manager::Controls;

/// Logs the transitions of a plugin's breaker and health for as long as they live. The transport itself logs the life of a
/// process.
pub(super) fn follow(plugin: &Arc<str>, controls: &Controls) {
    if let Some(breaker) = &controls.breaker {
        let plugin = Arc::clone(plugin);
        tokio::spawn(breaker.events().for_each(move |event| log_breaker(&plugin, &event)));
    }
    for check in &controls.health_checks {
        let (plugin, mut changes) = (Arc::clone(plugin), check.changes());
        tokio::spawn(async move {
            while let Some(status) = changes.next().await {
                if status.state.is_serving() {
                    tracing::info!(plugin = &*plugin, health = status.state.as_str(), "health changed");
                } else {
                    tracing::warn!(
                        plugin = &*plugin,
                        health = status.state.as_str(),
                        reason = status.message,
                        "health changed"
                    );
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
