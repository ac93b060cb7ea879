//! Connects to one host and port.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{Resolver, order::Memory};

/// Opens connections to one host and port; see the [module](super).
#[derive(Debug)]
pub struct Dialer {
    host: String,
    port: u16,
    resolver: Resolver,
    keep_alive: Option<Duration>,
    memory: Mutex<Memory>,
}

impl Dialer {
    /// Dials a host, which is a name or an address, an IPv6 one without brackets.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, resolver: Resolver::default(), keep_alive: None, memory: Mutex::default() }
    }

    /// Sets the resolver for the host name. Default: the system's.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Asks an idle peer after this time whether it is still there (TCP keep-alive). `None`, the default, never does.
    #[must_use]
    pub fn with_keep_alive(mut self, after: Option<Duration>) -> Self {
        self.keep_alive = after;
        self
    }

    /// The address, where the host is one.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    pub(super) async fn lookup(&self) -> std::io::Result<Vec<SocketAddr>> {
        match self.literal() {
            Some(address) => Ok(vec![address]),
            None => self.resolver.lookup(&self.host, self.port).await,
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        // No code that can panic runs under it.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to this address was of use.
    #[cfg(any(feature = "http", feature = "grpc"))]
    pub(crate) fn heard_from(&self, address: SocketAddr) {
        self.memory().answered(address);
    }

    /// A connection to this address came about, and nothing ever came out of it.
    #[cfg(any(feature = "http", feature = "grpc"))]
    pub(crate) fn heard_nothing_from(&self, address: SocketAddr) {
        self.memory().failed(address, plugin_core::clock::now());
    }

    pub(super) async fn open(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if let Some(after) = self.keep_alive {
            SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(after))?;
        }
        Ok(stream)
    }
}
