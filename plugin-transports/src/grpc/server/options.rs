//! The limits of a plugin that is served over gRPC, and what it says besides its answers.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use plugin_core::{BoxFuture, HealthStatus, PluginError, PluginInfo, Probe};

use crate::{auth::Verifier, grpc::content_type::JSON, json::Limits, listen::ListenOptions};

/// How a plugin is served by [`serve`](super::serve).
///
/// | setting | default | |
/// |---|---|---|
/// | `listen` | [`ListenOptions::default`] | |
/// | `verifier` | none: everybody may call | who is not known is answered `UNAUTHENTICATED`, `AUTH_1106` |
/// | `allowed_hosts` | none | names that `:authority` may have besides those of this machine, see [`HostGuard`](crate::listen::HostGuard) |
/// | `max_message` | 10 MiB | of a request, after decompression; a longer one is `RESOURCE_EXHAUSTED`, `PLUGIN_1207` |
/// | `body_timeout` | 30 s, at least [`ListenOptions::SHORTEST`] | for reading a request |
/// | `content_type` | `application/json` | of payloads; another one is `INVALID_ARGUMENT`, `PLUGIN_1206` |
/// | `json_limits` | [`Limits::new`] | depth and numbers of payloads that are JSON; beyond them `PLUGIN_1206` |
/// | `health` | always healthy | what the health checks ask |
/// | `info` | empty | what `Info` answers |
/// | `init` | none: `Init` is `UNIMPLEMENTED` | what takes the options of the host's configuration |
///
/// ```
/// use std::time::Duration;
///
/// use plugin_transports::{
///     grpc::GrpcServerOptions,
///     plugin_core::{HealthStatus, PluginInfo},
/// };
///
/// let options = GrpcServerOptions::new()
///     .with_max_message(1 << 20)
///     .with_info(PluginInfo::new("resize", "1.2.0"))
///     .with_health(|| async { HealthStatus::degraded("one replica of three") })
///     .with_init(|options| async move {
///         println!("{} bytes of options", options.len());
///         Ok(())
///     });
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
pub struct GrpcServerOptions {
    pub(super) listen: ListenOptions,
    pub(super) verifier: Option<Verifier>,
    pub(super) names: Vec<String>,
    pub(super) settings: Settings,
}

type Init = Arc<dyn Fn(Bytes) -> BoxFuture<Result<(), PluginError>> + Send + Sync>;

/// What [`GrpcPluginServer`](super::GrpcPluginServer) itself needs to know.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) max_message: usize,
    pub(super) body_timeout: Duration,
    pub(super) content_type: Arc<str>,
    pub(super) json: Limits,
    pub(super) health: Probe,
    pub(super) info: Arc<PluginInfo>,
    pub(super) init: Option<Init>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_message: 10 << 20,
            body_timeout: Duration::from_secs(30),
            content_type: JSON.into(),
            json: Limits::new(),
            health: Arc::new(|| Box::pin(async { HealthStatus::healthy() })),
            info: Arc::default(),
            init: None,
        }
    }
}

impl Settings {
    pub(super) fn set_body_timeout(&mut self, timeout: Duration) {
        self.body_timeout = timeout.max(ListenOptions::SHORTEST);
    }

    pub(super) fn set_health<F, Fut>(&mut self, health: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HealthStatus> + Send + 'static,
    {
        self.health = Arc::new(move || Box::pin(health()));
    }

    pub(super) fn set_init<F, Fut>(&mut self, init: F)
    where
        F: Fn(Bytes) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), PluginError>> + Send + 'static,
    {
        self.init = Some(Arc::new(move |options| Box::pin(init(options))));
    }
}

/// The setters that the options and the service have in common, on the settings of either.
macro_rules! settings_of_a_server {
    ($settings:ident) => {
        /// Limits a request's message.
        #[must_use]
        pub fn with_max_message(mut self, bytes: usize) -> Self {
            self.$settings().max_message = bytes;
            self
        }

        /// Limits the time for reading a request, to [`ListenOptions::SHORTEST`](crate::listen::ListenOptions::SHORTEST) at least.
        #[must_use]
        pub fn with_body_timeout(mut self, timeout: Duration) -> Self {
            self.$settings().set_body_timeout(timeout);
            self
        }

        /// Sets what payloads and answers are. Those of another type than JSON are not looked into.
        #[must_use]
        pub fn with_content_type(mut self, content_type: impl Into<Arc<str>>) -> Self {
            self.$settings().content_type = content_type.into();
            self
        }

        /// Limits the depth and the numbers of payloads that are JSON.
        #[must_use]
        pub fn with_json_limits(mut self, limits: Limits) -> Self {
            self.$settings().json = limits;
            self
        }

        /// Sets how the plugin finds out about its health.
        #[must_use]
        pub fn with_health<F, Fut>(mut self, health: F) -> Self
        where
            F: Fn() -> Fut + Send + Sync + 'static,
            Fut: Future<Output = HealthStatus> + Send + 'static,
        {
            self.$settings().set_health(health);
            self
        }

        /// Sets what the plugin says of itself.
        #[must_use]
        pub fn with_info(mut self, info: PluginInfo) -> Self {
            self.$settings().info = Arc::new(info);
            self
        }

        /// Sets what takes the options of the host's configuration, a JSON object. It is called for each connection of each host,
        /// and so more than once; an error keeps that host from calling.
        #[must_use]
        pub fn with_init<F, Fut>(mut self, init: F) -> Self
        where
            F: Fn(Bytes) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<(), PluginError>> + Send + 'static,
        {
            self.$settings().set_init(init);
            self
        }
    };
}

pub(super) use settings_of_a_server;

impl GrpcServerOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Sets how the server listens.
    #[must_use]
    pub fn with_listen(mut self, listen: ListenOptions) -> Self {
        self.listen = listen;
        self
    }

    /// Serves over TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: crate::tls::ServerTls) -> Self {
        self.listen = self.listen.with_tls(tls);
        self
    }

    /// Answers `UNAUTHENTICATED` to whom the verifier does not know. Health checks and reflection need credentials too.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Verifier) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Names, without a port, that `:authority` may have besides those of this machine. Without any a plugin on loopback goes by
    /// names of this machine alone, and one elsewhere by every name.
    #[must_use]
    pub fn with_allowed_hosts<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    settings_of_a_server!(settings);
}

impl fmt::Debug for GrpcServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcServerOptions")
            .field("listen", &self.listen)
            .field("verifier", &self.verifier)
            .field("allowed_hosts", &self.names)
            .field("max_message", &self.settings.max_message)
            .field("body_timeout", &self.settings.body_timeout)
            .field("content_type", &self.settings.content_type)
            .finish_non_exhaustive()
    }
}
