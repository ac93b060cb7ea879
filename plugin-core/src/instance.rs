//! What a transport hands over when it has connected.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use crate::{BoxFuture, HealthCell, HealthStatus, PluginError};

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct PluginInfo {
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Who wrote it.
    pub author: String,
    /// What it can do, in words of its own.
    pub capabilities: Vec<String>,
    /// The transport that it is reached by.
    pub transport: String,
    /// The build that it comes from.
    pub build_id: String,
    /// Whatever else.
    pub metadata: BTreeMap<String, String>,
}

impl PluginInfo {
    /// Information with a name and a version.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }

    /// Sets the transport.
    #[must_use]
    pub fn with_transport(mut self, transport: impl Into<String>) -> Self {
        self.transport = transport.into();
        self
    }
}

/// Asks a plugin how it is.
pub type Probe = Arc<dyn Fn() -> BoxFuture<HealthStatus> + Send + Sync>;

type Close = Arc<dyn Fn(Duration) -> BoxFuture<Result<(), PluginError>> + Send + Sync>;

/// A connected plugin: the service, what it says of itself, how to ask after its health, and how to close it.
#[derive(Clone)]
pub struct PluginInstance<S> {
    service: S,
    info: PluginInfo,
    probe: Probe,
    health: Option<Arc<HealthCell>>,
    close: Close,
}

impl<S> PluginInstance<S> {
    /// An instance that is always healthy and has nothing to close.
    #[must_use]
    pub fn new(service: S, info: PluginInfo) -> Self {
        Self {
            service,
            info,
            probe: Arc::new(|| Box::pin(async { HealthStatus::healthy() })),
            health: None,
            close: Arc::new(|_| Box::pin(async { Ok(()) })),
        }
    }

    /// Sets how to ask after its health. The caller bounds the time; dropping the future stops the check.
    #[must_use]
    pub fn with_probe<F, Fut>(mut self, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HealthStatus> + Send + 'static,
    {
        self.probe = Arc::new(move || Box::pin(probe()));
        self
    }

    /// Sets where the transport itself writes what it knows without being asked, such as that the process is down: it
    /// [holds](HealthCell::hold) the cell meanwhile. Whoever checks the instance writes into this cell too.
    #[must_use]
    pub fn with_health(mut self, cell: Arc<HealthCell>) -> Self {
        self.health = Some(cell);
        self
    }

    /// Sets how to close it. The argument is the grace period; closing twice must do no harm.
    #[must_use]
    pub fn with_close<F, Fut>(mut self, close: F) -> Self
    where
        F: Fn(Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), PluginError>> + Send + 'static,
    {
        self.close = Arc::new(move |grace| Box::pin(close(grace)));
        self
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &S {
        &self.service
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn info(&self) -> &PluginInfo {
        &self.info
    }

    /// How to ask after its health.
    #[must_use]
    pub fn probe(&self) -> Probe {
        Arc::clone(&self.probe)
    }

    /// Where the transport writes what it knows by itself, when it does.
    #[must_use]
    pub fn health(&self) -> Option<&Arc<HealthCell>> {
        self.health.as_ref()
    }

    /// Asks the plugin how it is.
    pub fn check(&self) -> BoxFuture<HealthStatus> {
        (self.probe)()
    }

    /// Closes the connection, or stops the process, within the grace period.
    ///
    /// # Errors
    ///
    /// When something could not be closed in that time; it has then been cut off.
    pub fn close(&self, grace: Duration) -> BoxFuture<Result<(), PluginError>> {
        (self.close)(grace)
    }

    /// The same instance round another service, such as this one in a stack of layers.
    #[must_use]
    pub fn map<T>(self, f: impl FnOnce(S) -> T) -> PluginInstance<T> {
        let Self { service, info, probe, health, close } = self;
        PluginInstance { service: f(service), info, probe, health, close }
    }
}

impl<S> fmt::Debug for PluginInstance<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginInstance").field("info", &self.info).finish_non_exhaustive()
    }
}
