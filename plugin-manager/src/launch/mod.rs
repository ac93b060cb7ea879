//! From a configuration to a gateway that serves.

mod connect;
mod events;
mod factory;
pub mod logging;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use plugin_core::{Code, ConfigError, PluginError};
use plugin_transports::{process::ProcessHandle, tls::TlsError};

pub use factory::{Factories, Factory};

use crate::{
    config::{Config, PluginConfig, Role as ConfigRole},
    manager::{Manager, Registration, Restarts},
    server::{Access, Gateway, GatewaySettings, Role, ShutdownReport},
    stack::StackSettings,
};

/// A gateway that serves the plugins of a configuration.
#[derive(Debug)]
#[must_use = "dropping it stops the gateway without waiting"]
pub struct Running {
    gateway: Gateway,
    manager: Manager<Bytes, Bytes>,
    processes: BTreeMap<String, ProcessHandle>,
    shutdown_timeout: Duration,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub struct StartError(Vec<PluginError>);

impl StartError {
    /// Every fault: one for a plane that cannot listen, else one per plugin that did not start.
    #[must_use]
    pub fn faults(&self) -> &[PluginError] {
        &self.0
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
            let mut source = std::error::Error::source(fault);
            while let Some(cause) = source {
                write!(f, ": {cause}")?;
                source = cause.source();
            }
            if let Some(detail) = fault.detail() {
                write!(f, "\n  {}", detail.trim_end().replace('\n', "\n  "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for StartError {}

impl Running {
    /// Binds both planes, connects every plugin, and is then ready.
    ///
    /// Plugins of a higher `priority` are connected before those of a lower one, those of the same priority side by side.
    /// Nothing is left behind when it fails: what was started is stopped again.
    ///
    /// # Errors
    ///
    /// Every fault at once: an address in use, certificates that cannot be read, plugins that do not start.
    pub async fn start(config: &Config, factories: &Factories) -> Result<Self, StartError> {
        let manager = Manager::new();
        let settings = gateway_settings(config).map_err(|fault| StartError(vec![fault]))?;
        let gateway = Gateway::start(manager.clone(), settings).await.map_err(|fault| StartError(vec![fault]))?;
        let mut running =
            Self { gateway, manager, processes: BTreeMap::new(), shutdown_timeout: config.shutdown_timeout() };
        let faults = running.connect_all(config, factories).await;
        if !faults.is_empty() {
            running.shutdown().await;
            return Err(StartError(faults));
        }
        running.gateway.set_ready();
        Ok(running)
    }

    async fn connect_all(&mut self, config: &Config, factories: &Factories) -> Vec<PluginError> {
        let mut by_priority: BTreeMap<i32, Vec<&PluginConfig>> = BTreeMap::new();
        for plugin in config.plugins() {
            by_priority.entry(plugin.priority()).or_default().push(plugin);
        }
        let mut faults = Vec::new();
        for group in by_priority.values().rev() {
            let started = join_all(group.iter().map(|plugin| start_plugin(plugin, factories))).await;
            for (plugin, started) in group.iter().zip(started) {
                let registered = started.and_then(|(registration, process)| {
                    self.manager.register_with(plugin.name(), registration)?;
                    if let Some(process) = process {
                        self.processes.insert(plugin.name().to_owned(), process);
                    }
                    Ok(())
                });
                match registered {
                    Ok(()) => tracing::info!(plugin = plugin.name(), "registered"),
                    Err(fault) if fault.plugin().is_none() => faults.push(fault.with_plugin(plugin.name())),
                    Err(fault) => faults.push(fault),
                }
            }
            if !faults.is_empty() {
                break;
            }
        }
        faults
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The plugins.
    #[must_use]
    pub fn manager(&self) -> &Manager<Bytes, Bytes> {
        &self.manager
    }

    /// The supervised process of a plugin.
    #[must_use]
    pub fn process(&self, plugin: &str) -> Option<&ProcessHandle> {
        self.processes.get(plugin)
    }

    /// Drains and stops everything within the configuration's `shutdown_timeout`.
    pub async fn shutdown(self) -> ShutdownReport {
        self.gateway.shutdown(self.shutdown_timeout).await
    }
}

fn gateway_settings(config: &Config) -> Result<GatewaySettings, PluginError> {
    let (server, admin) = (config.server(), config.admin());
    let mut settings = GatewaySettings::default()
        .with_listen(server.listen())
        .with_admin_listen(admin.listen())
        .with_max_body(server.max_body())
        .with_drain_timeout(config.shutdown_timeout())
        .insecure(server.insecure());
    if let Some(tls) = server.tls() {
        settings = settings.with_tls(tls.build().map_err(|error: TlsError| PluginError::from(error))?);
    }
    if let Some(verifier) = server.verifier() {
        settings = settings.with_verifier(verifier.clone());
    }
    if let Some(verifier) = admin.verifier() {
        let admin = admin.clone();
        settings = settings.with_access(Access::new(verifier.clone(), move |identity| match admin.role(identity) {
            ConfigRole::Operate => Role::Operate,
            _ => Role::Read,
        }));
    }
    Ok(settings)
}

/// Connects a plugin and builds its stack.
async fn start_plugin(
    plugin: &PluginConfig,
    factories: &Factories,
) -> Result<(Registration<Bytes, Bytes>, Option<ProcessHandle>), PluginError> {
    if !plugin.enabled() {
        return Ok((connect::switched_off(plugin), None));
    }
    let connected = connect::connect(plugin, factories).await?;
    let process = connected.process.clone();
    let breaker = plugin.circuit_breaker();
    let settings = StackSettings::default()
        .with_timeout(plugin.timeout())
        .with_attempt_timeout(plugin.attempt_timeout())
        .with_rate_limit(plugin.rate_limit())
        .with_retry(Some(plugin.retry().clone()).filter(|retry| retry.max_retries() > 0))
        .with_circuit_breaker(Some(breaker.clone()).filter(|breaker| breaker.enabled()))
        .with_health_check(plugin.health_check())
        .with_balance(plugin.load_balancer());
    let mut registration = settings
        .build(plugin.name(), connected.instances)
        .map_err(|error: ConfigError| PluginError::new(Code::ConfigValue, error.to_string()))?
        .map_info(|info| connect::complete(info, plugin));
    registration = registration.map_controls(|controls| {
        if let Some(process) = &process {
            let counted = process.clone();
            controls.restarts = Some(Restarts::new(move || counted.stats().restarts));
        }
        events::follow(&Arc::from(plugin.name()), controls);
    });
    Ok((registration, process))
}
