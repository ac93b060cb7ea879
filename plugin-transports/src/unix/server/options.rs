//! How a plugin is served.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use plugin_core::{HealthStatus, PluginInfo, Probe};

use crate::{auth::Verifier, json::Limits, listen::ListenOptions, listen::seldom::Seldom};

/// How a plugin is served on a Unix socket. Who may connect is the socket's to say
/// ([`UnixSocketOptions`](crate::listen::UnixSocketOptions)).
///
/// | setting | default | |
/// |---|---|---|
/// | `listen` | [`ListenOptions::default`] | connections at once, and for how long one may be idle or not read; a socket has no `head_timeout` and no TLS |
/// | `max_line` | 4 MiB, at least 1 KiB | the longest request, its headers included; a longer one ends its connection with an error (`PLUGIN_1207`) |
/// | `line_timeout` | 30 s, at least [`ListenOptions::SHORTEST`] | from the first byte of a request to its last |
/// | `verifier` | none: everybody who may connect may call | what `execute`, `health` and `info` have to show in `headers` |
/// | `json_limits` | [`Limits::new`] | depth and numbers of a payload; beyond them `PLUGIN_1206` |
/// | `info` | nothing | what `info` answers |
/// | `health` | always healthy | what `health` asks |
///
/// ```
/// use std::time::Duration;
///
/// use plugin_transports::{
///     plugin_core::{HealthStatus, PluginInfo},
///     unix::UnixServerOptions,
/// };
///
/// let options = UnixServerOptions::new()
///     .with_info(PluginInfo::new("double", "1.0.0"))
///     .with_line_timeout(Duration::from_secs(5))
///     .with_health(|| async { HealthStatus::degraded("one disk of two") });
/// # drop(options);
/// ```
#[derive(Clone)]
pub struct UnixServerOptions {
    pub(super) listen: ListenOptions,
    pub(super) max_line: usize,
    pub(super) line_timeout: Duration,
    pub(super) verifier: Option<Verifier>,
    pub(super) json: Limits,
    pub(super) info: PluginInfo,
    pub(super) health: Probe,
    /// Lines that were no requests.
    pub(super) faulty: Arc<Seldom>,
}

impl Default for UnixServerOptions {
    fn default() -> Self {
        Self {
            listen: ListenOptions::new(),
            max_line: 4 << 20,
            line_timeout: Duration::from_secs(30),
            verifier: None,
            json: Limits::new(),
            info: PluginInfo::default(),
            health: Arc::new(|| Box::pin(async { HealthStatus::healthy() })),
            faulty: Arc::default(),
        }
    }
}

impl UnixServerOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how the server listens.
    #[must_use]
    pub fn with_listen(mut self, listen: ListenOptions) -> Self {
        self.listen = listen;
        self
    }

    /// Limits the length of a request.
    #[must_use]
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes.max(super::super::LEAST_LINE);
        self
    }

    /// Limits the time from the first byte of a request to its last.
    #[must_use]
    pub fn with_line_timeout(mut self, timeout: Duration) -> Self {
        self.line_timeout = timeout.max(ListenOptions::SHORTEST);
        self
    }

    /// Answers `AUTH_1106` to whom the verifier does not know: who shows nothing of what it accepts in the headers of a
    /// request. What was shown is taken off the headers before the plugin sees them. A `ping` needs no credentials.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Verifier) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Limits the depth and the numbers of payloads.
    #[must_use]
    pub fn with_json_limits(mut self, limits: Limits) -> Self {
        self.json = limits;
        self
    }

    /// Sets what the plugin says of itself.
    #[must_use]
    pub fn with_info(mut self, info: PluginInfo) -> Self {
        self.info = info;
        self
    }

    /// Sets how the plugin finds out about its health.
    #[must_use]
    pub fn with_health<F, Fut>(mut self, health: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HealthStatus> + Send + 'static,
    {
        self.health = Arc::new(move || Box::pin(health()));
        self
    }
}

impl fmt::Debug for UnixServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixServerOptions")
            .field("listen", &self.listen)
            .field("max_line", &self.max_line)
            .field("line_timeout", &self.line_timeout)
            .field("verifier", &self.verifier)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
