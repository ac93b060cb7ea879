//! The address of the client as the key.

use std::net::{IpAddr, SocketAddr};

use http::{Extensions, Request};
use plugin_core::KeyOf;

use super::rules::ClientIpConfig;

/// Where the address that a connection came from is found, in the extensions of a request.
pub type PeerOf = fn(&Extensions) -> Option<IpAddr>;

/// The address of the client as the key: that of the connection, or behind trusted proxies the one that they name, counted by
/// its prefix. [`ClientIpConfig`] has the rules.
///
/// Each server leaves the address of the connection elsewhere, so `new` is told where. Of axum it is `ConnectInfo`, where the
/// server is started with `into_make_service_with_connect_info::<SocketAddr>()`; of tonic `TcpConnectInfo`. A request that has
/// none there has no key.
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::{Router, extract::ConnectInfo, routing::get};
/// use plugin_ratelimit::{ClientIp, ClientIpConfig, KeyedRateLimitLayer, RateLimitConfig};
///
/// let client = ClientIp::new(ClientIpConfig::default(), |extensions| {
///     extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
/// });
/// let limit = KeyedRateLimitLayer::by_client_ip(RateLimitConfig::default(), client).for_http();
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(limit);
/// # drop(app);
/// ```
#[derive(Clone, Debug)]
pub struct ClientIp<P = PeerOf> {
    config: ClientIpConfig,
    peer: P,
}

impl<P: Fn(&Extensions) -> Option<IpAddr>> ClientIp<P> {
    /// By these rules, with the address of the connection read by a closure.
    pub fn new(config: ClientIpConfig, peer: P) -> Self {
        Self { config, peer }
    }
}

impl ClientIp {
    /// By these rules, with the address of the connection where servers of hyper's own kind leave it: a [`SocketAddr`] or an
    /// [`IpAddr`] among the extensions.
    #[must_use]
    pub fn from_extension(config: ClientIpConfig) -> Self {
        Self { config, peer: peer_in_extensions }
    }
}

fn peer_in_extensions(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<SocketAddr>().map(SocketAddr::ip).or_else(|| extensions.get::<IpAddr>().copied())
}

impl<B, P: Fn(&Extensions) -> Option<IpAddr>> KeyOf<Request<B>> for ClientIp<P> {
    type Key = IpAddr;

    fn key(&self, request: &Request<B>) -> Option<IpAddr> {
        let peer = (self.peer)(request.extensions())?;
        Some(self.config.key(self.config.client(peer, request.headers())))
    }
}
