//! From a configuration to a gateway that serves.

mod connect;
mod events;
mod factory;
mod health_log_limit;
pub mod logging;
pub(crate) mod open_files;
mod plain_json;
mod plugins;
mod reading;
mod recovery;
mod stores;
pub(crate) mod streams;

use std::{fmt, time::Duration};

use bytes::Bytes;
use plugin_core::{PluginError, on_one_line};
use plugin_transports::{json::Limits, listen::ListenOptions, process::ProcessHandle, tls::TlsError};
use tokio::task::JoinSet;

pub use factory::{Factories, Factory};
pub(crate) use plain_json::plain_json;
pub(crate) use plugins::{Announced, Terms, announce, assemble};
pub(crate) use reading::on_a_thread_that_may_wait;
pub(crate) use stores::Stores;

use crate::{
    config::{Config, PluginConfig},
    manager::Manager,
    server::{Access, ClientLimit, Gateway, GatewaySettings, ShutdownReport},
    stack::CallKey,
};

/// A gateway that serves the plugins of a configuration.
#[derive(Debug)]
#[must_use = "dropping it stops the gateway without waiting"]
pub struct Running {
    gateway: Gateway,
    manager: Manager<Bytes, Bytes>,
    late: StartError,
    /// Starts that are tried again, for as long as this lives.
    again: JoinSet<()>,
    lame_duck: Duration,
    shutdown_timeout: Duration,
}

/// Why a gateway, or the plugins of a [builder](crate::builder), did not start.
#[derive(Debug)]
pub struct StartError(Vec<PluginError>);

impl StartError {
    pub(crate) fn new(faults: Vec<PluginError>) -> Self {
        Self(faults)
    }

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
            // A plugin has written some of it, and writes no line that is not below its own.
            let mut said = fault.to_string();
            let mut source = std::error::Error::source(fault);
            while let Some(cause) = source {
                let why = cause.to_string();
                // What has made an error of another may say the same.
                if !said.contains(&why) {
                    said = format!("{said}: {why}");
                }
                source = cause.source();
            }
            f.write_str(&on_one_line(&said))?;
            for line in fault.detail().unwrap_or_default().trim_end().lines() {
                write!(f, "\n  {}", on_one_line(line))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for StartError {}

/// A gateway that listens, and whose plugins are being started: each is called as soon as it is ready, and the calls of one
/// that is not are refused meanwhile (`LIFECYCLE_2105`).
#[derive(Debug)]
#[must_use = "plugins are started when this is polled by `plugins`"]
pub struct Starting {
    running: Running,
    announced: Option<Announced>,
    at_once: usize,
    json: Limits,
    stores: Stores,
}

impl Starting {
    /// Starts the plugins, and resolves when the start of each has ended. Dropping the future gives up those that are not ready
    /// yet and kills what was started of them; those that are go on serving.
    ///
    /// # Errors
    ///
    /// As [`Running::start`], but for what listens already. What was started goes on serving until it is shut down.
    pub async fn plugins(&mut self, factories: &Factories) -> Result<(), StartError> {
        let Some(announced) = self.announced.take() else { return Ok(()) };
        let stores = self.stores.clone();
        let terms = Terms { must: false, factories, json: self.json, at_once: self.at_once, stores };
        let registered = announced.start(&terms).await;
        self.running.late = StartError(registered.late);
        for again in registered.again {
            self.running.again.spawn(again.until_it_is_there(factories.clone(), self.json, self.stores.clone()));
        }
        if registered.faults.is_empty() {
            self.running.gateway.set_ready();
            return Ok(());
        }
        Err(StartError(registered.faults))
    }

    /// The plugins, those that are still to come too.
    #[must_use]
    pub fn manager(&self) -> &Manager<Bytes, Bytes> {
        &self.running.manager
    }

    /// The gateway, whatever is started by now.
    pub fn into_running(self) -> Running {
        self.running
    }
}

impl Running {
    /// Binds both planes, connects every plugin, and is then ready.
    ///
    /// A plugin that does not start stops no other, unless it is `required`: its calls are refused until it starts, which is tried
    /// again, that of a subprocess by the rules of its `restart` and any other after one second to thirty, and
    /// [`late`](Self::late) says why.
    ///
    /// Plugins are connected side by side, as many at once as `start.max_concurrent` says; those of a higher `priority` begin
    /// before those of a lower one. Each serves as soon as it is ready. Nothing is left behind when it fails:
    /// what was started is stopped again.
    ///
    /// # Errors
    ///
    /// Every fault at once: an address in use, certificates that cannot be read, plugins that nobody can make, and `required` ones
    /// that do not start.
    pub async fn start(config: &Config, factories: &Factories) -> Result<Self, StartError> {
        let mut starting = Self::listen(config).await?;
        let started = starting.plugins(factories).await;
        let running = starting.into_running();
        match started {
            Ok(()) => Ok(running),
            Err(faults) => {
                running.drain().await;
                Err(faults)
            }
        }
    }

    /// Binds both planes. Every plugin of the configuration is known from then on, and [`Starting::plugins`] starts them.
    ///
    /// # Errors
    ///
    /// An address in use, or certificates that cannot be read.
    pub async fn listen(config: &Config) -> Result<Starting, StartError> {
        let manager = Manager::new();
        let stores = Stores::default();
        let settings = gateway_settings(config, &stores).map_err(|fault| StartError(vec![fault]))?;
        // Before anybody can ask for one.
        let announced = announce(&manager, config.plugins()).map_err(|fault| StartError(vec![fault]))?;
        let gateway = Gateway::start(manager.clone(), settings).await.map_err(|fault| StartError(vec![fault]))?;
        logging::show_dropped(&gateway.metrics().recorder());
        let (lame_duck, shutdown_timeout) = (config.lame_duck(), config.shutdown_timeout());
        let (late, again) = (StartError(Vec::new()), JoinSet::new());
        let running = Self { gateway, manager, late, again, lame_duck, shutdown_timeout };
        let json = Limits::new().with_max_depth(config.server().max_json_depth());
        Ok(Starting { running, announced: Some(announced), at_once: config.start_at_once(), json, stores })
    }

    /// Why plugins were not ready when the gateway began to serve: one fault for each.
    #[must_use]
    pub fn late(&self) -> &StartError {
        &self.late
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
    pub fn process(&self, plugin: &str) -> Option<ProcessHandle> {
        self.manager.get(plugin)?.controls.process
    }

    /// Leaves, as [`lame_duck`](Self::lame_duck) does, and then drains and stops everything within the configuration's
    /// `shutdown_timeout`.
    pub async fn shutdown(self) -> ShutdownReport {
        self.lame_duck().await;
        self.drain().await
    }

    /// Says by `/readyz` that it leaves, and goes on serving for the configuration's `lame_duck`. Resolves at once where it has
    /// left already, or was never ready.
    pub async fn lame_duck(&self) {
        if self.gateway.leave() && !self.lame_duck.is_zero() {
            tracing::info!(lame_duck = ?self.lame_duck, "leaving: not ready any more, and serving for a while");
            tokio::time::sleep(self.lame_duck).await;
        }
    }

    /// Drains and stops everything now.
    pub(crate) async fn drain(mut self) -> ShutdownReport {
        if !self.again.is_empty() {
            // Before those are gone that have not come: their names are not to be unknown ones.
            self.manager.begin_shutdown();
            self.again.shutdown().await;
        }
        self.gateway.shutdown(self.shutdown_timeout).await
    }

    /// How long calls in flight may take at the end.
    pub(crate) fn shutdown_timeout(&self) -> Duration {
        self.shutdown_timeout
    }
}

fn gateway_settings(config: &Config, stores: &Stores) -> Result<GatewaySettings, PluginError> {
    let (server, admin) = (config.server(), config.admin());
    let bounded = |key: &str, options: &ListenOptions, part| {
        options.clone().with_max_connections(open_files::cap(key, options.max_connections(), part))
    };
    let connections = bounded("server.max_connections", server.connections(), 2);
    let admin_connections = bounded("admin.max_connections", admin.connections(), 8);
    let mut settings = GatewaySettings::default()
        .with_listen(server.listen())
        .with_admin_listen(admin.listen())
        .with_max_body(server.max_body())
        .with_max_bodies(server.max_bodies())
        .with_body_timeout(server.body_timeout())
        .with_max_json_depth(server.max_json_depth())
        .with_connections(connections)
        .with_admin_connections(admin_connections)
        .with_allowed_hosts(server.allowed_hosts())
        .with_admin_allowed_hosts(admin.allowed_hosts())
        .with_error_detail(server.error_detail())
        .with_access_log(server.access_log())
        .with_client_address(config.logging().client_address())
        .with_client_ip(server.client_ip().clone())
        .tell_callers(config.plugins().iter().flat_map(PluginConfig::call_keys).any(CallKey::asks_who_calls))
        .with_drain_timeout(config.shutdown_timeout())
        .insecure(server.insecure());
    if let Some(clients) = server.client_rate_limit() {
        settings = settings.with_client_limit(match clients.shared() {
            Some(redis) => ClientLimit::shared(clients.limit().limit(), clients.plans().clone(), &stores.of(redis)),
            None => ClientLimit::new(clients.limit(), clients.plans().clone()),
        });
    }
    if let Some((path, options)) = server.unix() {
        settings = settings.with_unix(path.clone(), options.clone());
    }
    if let Some(tls) = server.tls() {
        settings = settings.with_tls(tls.build().map_err(|error: TlsError| PluginError::from(error))?);
    }
    if let Some(verifier) = server.verifier() {
        settings = settings.with_verifier(verifier.clone());
    }
    if let Some(verifier) = admin.verifier() {
        let admin = admin.clone();
        settings = settings.with_access(Access::new(verifier.clone(), move |identity| admin.role(identity)));
    }
    Ok(settings)
}
