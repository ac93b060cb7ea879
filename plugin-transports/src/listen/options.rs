//! How a server listens.

use std::time::Duration;

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
    pub(crate) max_connections: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) write_timeout: Duration,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_so_short_that_nobody_gets_through() {
        let zero = Duration::ZERO;
        let options = ListenOptions::new().with_head_timeout(zero).with_idle_timeout(zero).with_write_timeout(zero);
        let shortest = ListenOptions::SHORTEST;
        assert_eq!([options.head_timeout, options.idle_timeout, options.write_timeout], [shortest; 3]);
        assert_eq!(ListenOptions::new().with_head_timeout(shortest * 2).head_timeout, shortest * 2);
    }
}
