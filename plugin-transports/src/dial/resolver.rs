//! From a name to addresses.

use std::{fmt, future::Future, io, net::SocketAddr, sync::Arc};

use plugin_core::BoxFuture;

type Lookup = dyn Fn(&str, u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> + Send + Sync;

/// How names are looked up. The default asks the operating system.
///
/// Clones share the function. Addresses that are written as such are never looked up.
#[derive(Clone)]
pub struct Resolver(Arc<Lookup>);

impl Resolver {
    /// Looks names up with this function, which is given the host and the port, such as one that asks a registry of
    /// services. It is called for every connection, so it should keep what it knows.
    pub fn new<F, Fut>(lookup: F) -> Self
    where
        F: Fn(&str, u16) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host, port| Box::pin(lookup(host, port))))
    }

    pub(super) fn lookup(&self, host: &str, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        (self.0)(host, port)
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(|host, port| {
            let host = host.to_owned();
            async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) }
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
