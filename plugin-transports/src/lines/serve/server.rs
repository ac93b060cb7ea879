//! The settings of a plugin's server, and what it says of the plugin.

use std::{env, fmt, future::Future, sync::Arc, time::Duration};

use plugin_core::{BoxFuture, HealthStatus, PluginInfo};
use serde_json::{Map, Value};

use crate::{lines::env as names, wire::introduction};

type HealthFn = Arc<dyn Fn() -> BoxFuture<HealthStatus> + Send + Sync>;
pub(super) type Init = Arc<dyn Fn(Map<String, Value>) -> BoxFuture<Result<(), String>> + Send + Sync>;

/// Serves a plugin over the line protocol.
///
/// | setting | default | |
/// |---|---|---|
/// | `info` | name and version as the host told them | |
/// | `concurrency` | 64 | requests worked on at once; further ones wait, up to 16 MiB of them read. Health checks wait for none. At least 1 |
/// | `max_line` | 4 MiB | longest request. At least 1 KiB |
/// | `drain_timeout` | 10 s | after which requests that were still worked on are dropped |
/// | `health` | always healthy | |
/// | `init` | none | |
///
/// ```
/// use plugin_transports::{
///     inproc::plugin_fn,
///     json,
///     lines::{ServeError, Server},
///     plugin_core::{Call, PluginError, PluginInfo, Reply},
/// };
///
/// # async fn run() -> Result<(), ServeError> {
/// let shout = plugin_fn(|call: Call<String>| async move {
///     Ok::<_, PluginError>(Reply::new(call.into_payload().to_uppercase()))
/// });
/// Server::new()
///     .with_info(PluginInfo::new("shout", "1.0.0"))
///     .with_concurrency(8)
///     .serve(json::serve(shout)) // until standard input ends
///     .await
/// # }
/// # let _ = run;
/// ```
#[derive(Clone)]
#[must_use = "a server does nothing until `serve` is called"]
pub struct Server {
    pub(super) info: PluginInfo,
    pub(super) concurrency: usize,
    pub(super) max_line: usize,
    pub(super) drain_timeout: Duration,
    pub(super) health: Option<HealthFn>,
    pub(super) init: Option<Init>,
}

impl Server {
    /// A server with the default settings.
    pub fn new() -> Self {
        let told = |name| env::var(name).unwrap_or_default();
        Self {
            info: PluginInfo::new(told(names::NAME), told(names::VERSION)),
            concurrency: 64,
            max_line: 4 << 20,
            drain_timeout: Duration::from_secs(10),
            health: None,
            init: None,
        }
    }

    /// Sets what the plugin says of itself.
    pub fn with_info(mut self, info: PluginInfo) -> Self {
        self.info = info;
        self
    }

    /// Limits the requests that are worked on at once.
    pub fn with_concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Limits the length of a request.
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Limits how long requests in work may take once the plugin is told to stop.
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Answers health checks.
    pub fn with_health<F, Fut>(mut self, health: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HealthStatus> + Send + 'static,
    {
        self.health = Some(Arc::new(move || Box::pin(health())));
        self
    }

    /// Takes the plugin's options, once and before the first request: from the host's `init`, or, when the host has
    /// no such method, from the variable `PLUGIN_OPTIONS`. When it fails the plugin does not become ready.
    pub fn with_init<F, Fut, E>(mut self, init: F) -> Self
    where
        F: Fn(Map<String, Value>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.init = Some(Arc::new(move |options| {
            let ready = init(options);
            Box::pin(async move { ready.await.map_err(|error| error.to_string()) })
        }));
        self
    }

    /// The answer to `info`.
    pub(super) fn info_json(&self) -> Vec<u8> {
        let mut methods = vec!["execute", "info", "health", "shutdown"];
        methods.extend(self.init.is_some().then_some("init"));
        let mut info = introduction::info_object(&self.info);
        info.insert("methods".to_owned(), methods.into());
        Value::Object(info).to_string().into_bytes()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("info", &self.info)
            .field("concurrency", &self.concurrency)
            .field("max_line", &self.max_line)
            .field("drain_timeout", &self.drain_timeout)
            .finish_non_exhaustive()
    }
}
