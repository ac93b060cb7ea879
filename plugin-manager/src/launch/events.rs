//! What happens to plugins, as lines in the log.

use std::{iter, sync::Arc};

use bytes::Bytes;
use plugin_breaker::{CircuitState, Event};
use plugin_core::{HealthCell, HealthState, HealthStatus};

use crate::manager::{Instances, Registration};

/// Logs the transitions of a plugin's breaker and health for as long as they live, and where it has several instances those
/// of each under its name. The transport itself logs the life of a process.
pub(super) fn follow(plugin: &str, registration: &Registration<Bytes, Bytes>) {
    let (plugin, controls): (Arc<str>, _) = (plugin.into(), registration.controls());
    if let Some(breaker) = &controls.breaker {
        let (plugin, instances) = (Arc::clone(&plugin), controls.instances.clone());
        tokio::spawn(breaker.events().for_each(move |event| log_breaker(&plugin, &event, instances.as_ref())));
    }
    if let Some(cell) = registration.health().filter(|_| !controls.health_checks.is_empty()) {
        follow_health(cell, &plugin, None);
    }
    // The cell of the only one is the plugin's.
    let instances = controls.instances.as_ref().map(|instances| instances.list()).unwrap_or_default();
    if let [_, _, ..] = &*controls.health_checks {
        for (check, instance) in iter::zip(&controls.health_checks, instances) {
            follow_health(&check.cell(), &plugin, Some(instance.name));
        }
    }
}

fn follow_health(cell: &Arc<HealthCell>, plugin: &Arc<str>, instance: Option<Arc<str>>) {
    let (plugin, mut changes, mut last) = (Arc::clone(plugin), cell.watch(), HealthState::Unknown);
    // The first check may have ended before anybody watched.
    changes.mark_changed();
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let status = changes.borrow_and_update().clone();
            if status.state != last {
                last = status.state;
                log_health(&plugin, instance.as_deref(), &status);
            }
        }
    });
}

fn log_health(plugin: &str, instance: Option<&str>, status: &HealthStatus) {
    let health = status.state.as_str();
    let reason = Some(&*status.message).filter(|reason| !reason.is_empty());
    match status.state {
        HealthState::Healthy | HealthState::Unknown => {
            tracing::info!(plugin, instance, health, reason, "health changed");
        }
        _ => tracing::warn!(plugin, instance, health, reason, "health changed"),
    }
}

/// Where it opens, with what made it: nobody can ask the plugin while it is open.
fn log_breaker(plugin: &str, event: &Event, instances: Option<&Instances>) {
    let (from, to, reason) = (event.from.as_str(), event.to.as_str(), event.reason.to_string());
    if matches!(event.to, CircuitState::Open | CircuitState::Isolated) {
        let (instance, failure) = instances.and_then(Instances::last_failure).unzip();
        let code = failure.as_ref().and_then(|failure| failure.code).map(|code| code.as_str());
        let last_error = failure.as_ref().map(|failure| &*failure.message);
        let several = instances.is_some_and(|instances| instances.list().len() > 1);
        let instance = instance.as_deref().filter(|_| several);
        tracing::warn!(plugin, from, to, reason, last_error, code, instance, "circuit breaker");
    } else {
        tracing::info!(plugin, from, to, reason, "circuit breaker");
    }
}
