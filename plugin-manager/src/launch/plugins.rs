//! From the settings of plugins to what a manager has of them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::join_all;
use plugin_core::{Code, Plugin, PluginError};
use plugin_transports::{json::Limits, process::ProcessHandle};

use super::{Factories, connect, events, recovery};
use crate::{
    config::{PluginConfig, TransportKind},
    manager::{Manager, Registration},
    stack::{Instance, StackSettings},
};

/// Supervised processes, by the name of their plugin.
pub(crate) type Processes = BTreeMap<String, ProcessHandle>;

/// What became of the plugins that were to be started.
#[derive(Debug, Default)]
pub(crate) struct Registered {
    /// Why the whole is not started.
    pub(crate) faults: Vec<PluginError>,
    /// Plugins that are registered and not ready: they are tried again.
    pub(crate) late: Vec<PluginError>,
}

/// Connects plugins and registers them, those whose process does not start too, unless every one `must`, or it is required.
/// Those of a higher priority come before those of a lower one, those of the same priority are connected side by side; after
/// a priority with faults no other begins.
pub(crate) async fn register_all(
    manager: &Manager<Bytes, Bytes>,
    plugins: &[PluginConfig],
    must: bool,
    factories: &Factories,
    json: Limits,
    processes: &mut Processes,
) -> Registered {
    let mut by_priority: BTreeMap<i32, Vec<&PluginConfig>> = BTreeMap::new();
    for plugin in plugins {
        by_priority.entry(plugin.priority()).or_default().push(plugin);
    }
    let mut all = Registered::default();
    let named = |fault: PluginError, plugin: &PluginConfig| match fault.plugin() {
        None => fault.with_plugin(plugin.name()),
        Some(_) => fault,
    };
    for group in by_priority.values().rev() {
        let started = join_all(group.iter().map(|plugin| start(plugin, must, json, factories))).await;
        for (plugin, started) in group.iter().zip(started) {
            let registered = started.and_then(|started| {
                manager.register_with(plugin.name(), started.registration)?;
                if let Some(process) = started.process {
                    processes.insert(plugin.name().to_owned(), process);
                }
                Ok(started.late)
            });
            match registered {
                Ok(late) => {
                    tracing::info!(plugin = plugin.name(), "registered");
                    all.late.extend(late.map(|late| named(late, plugin)));
                }
                Err(fault) => all.faults.push(named(fault, plugin)),
            }
        }
        if !all.faults.is_empty() {
            break;
        }
    }
    all
}

/// Builds the default stack of a plugin over its instances, and logs what happens to it.
pub(crate) fn assemble<S: Plugin<Bytes, Bytes>>(
    name: &str,
    settings: StackSettings,
    instances: Vec<Instance<S>>,
) -> Result<Registration<Bytes, Bytes>, PluginError> {
    let built = settings.build(name, instances);
    let registration = built.map_err(|error| PluginError::new(Code::ConfigValue, error.to_string()))?;
    events::follow(name, &registration);
    Ok(registration)
}

/// A plugin that can be registered.
struct Started {
    registration: Registration<Bytes, Bytes>,
    process: Option<ProcessHandle>,
    late: Option<PluginError>,
}

/// Connects a plugin and builds its stack.
async fn start(plugin: &PluginConfig, must: bool, json: Limits, factories: &Factories) -> Result<Started, PluginError> {
    if !plugin.enabled() {
        return Ok(Started { registration: connect::switched_off(plugin), process: None, late: None });
    }
    let made = connect::factory(plugin, factories).is_some();
    let transport = if made { TransportKind::InProcess } else { plugin.transport().kind() };
    let connected = connect::connect(plugin, must || plugin.required(), json, factories).await?;
    let breaker = plugin.circuit_breaker();
    let settings = StackSettings::default()
        .with_timeout(plugin.timeout())
        .with_attempt_timeout(plugin.attempt_timeout())
        .with_rate_limit(plugin.rate_limit())
        .with_retry(Some(plugin.retry().clone()).filter(|retry| retry.max_retries() > 0))
        .with_circuit_breaker(Some(breaker.clone()).filter(|breaker| breaker.enabled()))
        .with_health_check(plugin.health_check())
        .with_balance(plugin.load_balancer());
    let mut registration = assemble(plugin.name(), settings, connected.instances)?;
    registration = registration.map_info(|info| connect::complete(info, plugin, transport));
    if let Some(process) = connected.process.clone() {
        registration = registration.map_controls(|controls| {
            recovery::follow(&Arc::from(plugin.name()), controls, &process);
            controls.process = Some(process);
        });
    }
    Ok(Started { registration, process: connected.process, late: connected.late })
}
