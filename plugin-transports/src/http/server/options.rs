//! The limits of a server.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use plugin_core::{HealthStatus, Probe};

use crate::{
    auth::Verifier,
    json::Limits,
    listen::{HostGuard, ListenOptions},
};

/// How a plugin is served.
///
/// | setting | default | |
/// |---|---|---|
/// | `listen` | [`ListenOptions::default`] | |
/// | `verifier` | none: everybody may call | |
/// | `allowed_hosts` | none | names that `Host` may have besides those of this machine, see [`HostGuard`] |
/// | `max_body` | 10 MiB | of a request; a longer one is 413, `PLUGIN_1207` |
/// | `body_timeout` | 30 s, at least [`ListenOptions::SHORTEST`] | for reading a request's body; 408 |
/// | `json_limits` | [`Limits::new`] | depth and numbers of a payload; beyond them 400, `PLUGIN_1206` |
/// | `health` | always healthy | what `GET .../health` asks |
#[derive(Clone, Default)]
pub struct ServerOptions {
    pub(super) listen: ListenOptions,
    pub(super) verifier: Option<Verifier>,
    pub(super) names: Vec<String>,
    pub(super) settings: Settings,
}

/// What [`PluginServer`](super::PluginServer) itself needs to know.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) max_body: usize,
    pub(super) body_timeout: Duration,
    pub(super) json: Limits,
    pub(super) health: Probe,
    /// Whose requests it takes; that of whoever serves it, where it does not listen itself.
    pub(super) guard: Option<HostGuard>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body: 10 << 20,
            body_timeout: Duration::from_secs(30),
            json: Limits::new(),
            health: Arc::new(|| Box::pin(async { HealthStatus::healthy() })),
            guard: None,
        }
    }
}

impl ServerOptions {
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

    /// Serves over TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: crate::tls::ServerTls) -> Self {
        self.listen = self.listen.with_tls(tls);
        self
    }

    /// Answers 401 to whom the verifier does not know. The health check needs credentials too.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Verifier) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Names, without a port, that `Host` may have besides those of this machine. Without any a plugin on loopback goes by names of
    /// this machine alone, and one elsewhere by every name.
    #[must_use]
    pub fn with_allowed_hosts<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Limits a request's body.
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// Limits the time for reading a request's body.
    #[must_use]
    pub fn with_body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.body_timeout = timeout.max(ListenOptions::SHORTEST);
        self
    }

    /// Limits the depth and the numbers of payloads.
    #[must_use]
    pub fn with_json_limits(mut self, limits: Limits) -> Self {
        self.settings.json = limits;
        self
    }

    /// Sets how the plugin finds out about its health.
    #[must_use]
    pub fn with_health<F, Fut>(mut self, health: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HealthStatus> + Send + 'static,
    {
        self.settings.health = Arc::new(move || Box::pin(health()));
        self
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("listen", &self.listen)
            .field("verifier", &self.verifier)
            .field("allowed_hosts", &self.names)
            .field("max_body", &self.settings.max_body)
            .field("body_timeout", &self.settings.body_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_for_a_body_is_so_short_that_nobody_gets_through() {
        let options = ServerOptions::new().with_body_timeout(Duration::ZERO);
        assert_eq!(options.settings.body_timeout, ListenOptions::SHORTEST);
    }
}
