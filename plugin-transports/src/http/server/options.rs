//! The limits of a server.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use plugin_core::{HealthStatus, Probe};

use super::HostGuard;
use crate::{auth::Verifier, json::Limits};

/// How a server listens, whatever it serves.
///
/// | setting | default | |
/// |---|---|---|
/// | `max_connections` | 1024 | at least 1; at the cap an idle one is closed for each that comes, and more wait |
/// | `head_timeout` | 10 s | from the connection to the head of its first request, and for the handshake of TLS |
/// | `idle_timeout` | 75 s | from one answer to the head of the next request, after which the connection is closed |
/// | `write_timeout` | 30 s | without any progress: an answer that nobody reads, whose connection is then closed |
/// | `tls` | none | |
///
/// Over HTTP/2 progress is that 16 KiB of an answer find room in the window of its stream. An answer without it is given up for
/// itself: its stream is reset, and the others on its connection go on. When the server stops, who makes no progress is waited
/// for no longer than 5 s.
///
/// A time that is shorter than [`ListenOptions::SHORTEST`], such as zero, is taken as that: it would cut off everybody.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    pub(super) max_connections: usize,
    pub(super) head_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::tls::ServerTls>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl ListenOptions {
    /// The shortest time that a listener has for anything: a millisecond. Shorter, and nobody would get through.
    pub const SHORTEST: Duration = Duration::from_millis(1);

    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Caps the connections; 0 is taken as 1. One more waits for the connection that has been idle for longest to close, or for
    /// any to end when all are answering.
    #[must_use]
    pub fn with_max_connections(mut self, max: usize) -> Self {
        self.max_connections = max.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// The cap.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Limits the wait for the first request of a connection.
    #[must_use]
    pub fn with_head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout.max(Self::SHORTEST);
        self
    }

    /// Limits the time for which nothing is asked on a connection.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout.max(Self::SHORTEST);
        self
    }

    /// Limits the wait for a peer that takes nothing of an answer.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout.max(Self::SHORTEST);
        self
    }

    /// Serves over TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: crate::tls::ServerTls) -> Self {
        self.tls = Some(tls.with_protocols(&[b"h2", b"http/1.1"]));
        self
    }
}

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
    fn no_time_is_so_short_that_nobody_gets_through() {
        let zero = Duration::ZERO;
        let options = ListenOptions::new().with_head_timeout(zero).with_idle_timeout(zero).with_write_timeout(zero);
        let shortest = ListenOptions::SHORTEST;
        assert_eq!([options.head_timeout, options.idle_timeout, options.write_timeout], [shortest; 3]);
        assert_eq!(ServerOptions::new().with_body_timeout(zero).settings.body_timeout, shortest);
        assert_eq!(ListenOptions::new().with_head_timeout(shortest * 2).head_timeout, shortest * 2);
    }
}
