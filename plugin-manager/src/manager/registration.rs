//! What is registered under a name.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use plugin_core::{
    BoxFuture, HealthCell, HealthStatus, Plugin, PluginError, PluginInfo, PluginInstance, sync::Striped,
};
use plugin_telemetry::TelemetryHandle;

use super::{
    controls::Controls,
    execute::{Execute, Shelf},
    turn::Turn,
};

type CloseFn = Arc<dyn Fn(Duration) -> BoxFuture<Result<(), PluginError>> + Send + Sync>;
type MakeFn<Req, Res> = Box<dyn FnOnce(Arc<str>) -> Box<dyn Execute<Req, Res>> + Send>;
type ProbeFn = Arc<dyn Fn() -> BoxFuture<HealthStatus> + Send + Sync>;

/// A stack, and what the manager can do with it besides calling it.
///
/// Any stack that is a [`Plugin`] will do, such as one that `ServiceBuilder` made. What it does not bring is absent from
/// reports; calls, drain and shutdown work on every stack.
///
/// ```
/// use plugin_core::{Call, PluginError, PluginInfo, Reply};
/// use plugin_manager::manager::{Manager, Registration};
/// use plugin_transports::inproc::plugin_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let echo = plugin_fn(|call: Call<String>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
/// let registration = Registration::new(echo)
///     .with_info(PluginInfo::new("echo", "1.2.0"))
///     .on_close(|_grace| async { Ok(()) }); // flush a file, say
///
/// let manager: Manager<String, String> = Manager::new();
/// manager.register_with("echo", registration)?;
/// assert_eq!(manager.get("echo").map(|view| view.info.version), Some("1.2.0".into()));
/// # Ok(())
/// # }
/// ```
#[must_use = "a registration does nothing until a manager takes it"]
pub struct Registration<Req, Res> {
    make: MakeFn<Req, Res>,
    pub(super) parts: RegistrationParts,
}

/// What does not depend on the payloads.
#[derive(Default)]
pub(super) struct RegistrationParts {
    pub(super) info: PluginInfo,
    pub(super) health: Option<Arc<HealthCell>>,
    pub(super) telemetry: Option<TelemetryHandle>,
    pub(super) controls: Controls,
    pub(super) probe: Option<ProbeFn>,
    pub(super) close: Vec<CloseFn>,
    pub(super) enabled: bool,
    /// Why nothing of it was started, and what to do.
    pub(super) off: Option<&'static str>,
    /// The name is known, and the plugin still to come.
    pub(super) awaited: Option<Arc<Turn>>,
}

impl<Req, Res> Registration<Req, Res>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    /// Registers this stack.
    pub fn new(stack: impl Plugin<Req, Res>) -> Self {
        Self {
            make: Box::new(|name| {
                let shelf: Striped<Shelf<_>> = Shelf::new(name, stack);
                Box::new(shelf)
            }),
            parts: RegistrationParts { enabled: true, ..RegistrationParts::default() },
        }
    }

    /// Registers what a connector returned: its information, its probe, and how to close it come along.
    pub fn from_instance<S: Plugin<Req, Res>>(instance: &PluginInstance<S>) -> Self {
        let closing = instance.clone();
        let probing = instance.probe();
        Self::new(instance.service().clone())
            .with_info(instance.info().clone())
            .with_probe(move || probing())
            .on_close(move |grace| closing.close(grace))
    }

    /// What the plugin says of itself.
    pub fn with_info(mut self, info: PluginInfo) -> Self {
        self.parts.info = info;
        self
    }

    /// Changes what is known of the plugin.
    pub fn map_info(mut self, change: impl FnOnce(PluginInfo) -> PluginInfo) -> Self {
        self.parts.info = change(self.parts.info);
        self
    }

    /// Reads the handles, and adds to them.
    pub fn map_controls(mut self, change: impl FnOnce(&mut Controls)) -> Self {
        change(&mut self.parts.controls);
        self
    }

    /// Where the plugin's health is written by whoever checks it.
    pub fn with_health(mut self, cell: Arc<HealthCell>) -> Self {
        self.parts.health = Some(cell);
        self
    }

    /// How to ask the plugin how it is, when nobody checks it regularly.
    pub fn with_probe<F, Fut>(mut self, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HealthStatus> + Send + 'static,
    {
        self.parts.probe = Some(Arc::new(move || Box::pin(probe())));
        self
    }

    /// The counts of the stack's telemetry layer.
    pub fn with_telemetry(mut self, telemetry: TelemetryHandle) -> Self {
        self.parts.telemetry = Some(telemetry);
        self
    }

    /// The handles of the stack's layers, for reports and for the admin plane.
    pub fn with_controls(mut self, controls: Controls) -> Self {
        self.parts.controls = controls;
        self
    }

    /// Adds what is to be closed when the plugin is unregistered, after its calls have ended. The argument is the grace
    /// period. What was added last is closed first.
    pub fn on_close<F, Fut>(mut self, close: F) -> Self
    where
        F: Fn(Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), PluginError>> + Send + 'static,
    {
        self.parts.close.push(Arc::new(move |grace| Box::pin(close(grace))));
        self
    }

    /// Whether the plugin takes calls. Default: it does.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.parts.enabled = enabled;
        self
    }

    /// A plugin that is known by its name and of which nothing was started: it takes no calls, and nobody can switch it on,
    /// drain it or start it again. `why` says so, and what to do about it.
    pub fn switched_off(mut self, why: &'static str) -> Self {
        self.parts.off = Some(why);
        self.enabled(false)
    }

    /// Where its health is written, where that is known.
    pub(crate) fn health(&self) -> Option<&Arc<HealthCell>> {
        self.parts.health.as_ref()
    }

    /// The handles of the stack's layers.
    pub(crate) fn controls(&self) -> &Controls {
        &self.parts.controls
    }

    pub(super) fn build(self, name: Arc<str>) -> (Box<dyn Execute<Req, Res>>, RegistrationParts) {
        ((self.make)(name), self.parts)
    }
}

impl<Req, Res> fmt::Debug for Registration<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("info", &self.parts.info).finish_non_exhaustive()
    }
}
