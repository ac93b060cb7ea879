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
    /// By these rules, with the address of the connection as a [`SocketAddr`] or an [`IpAddr`] among the extensions, where a
    /// server of one's own may leave it.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_connection_is_found_where_it_was_left_and_nowhere_else() {
        let proxies = ClientIpConfig::builder().with_trusted_proxies(["::1"]).build().expect("valid");
        let client = ClientIp::from_extension(proxies);
        let request = || Request::get("/").header("x-forwarded-for", "203.0.113.7");
        let key = |request: http::request::Builder| client.key(&request.body(()).expect("a request"));
        let (proxy, other) = (SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 80)), IpAddr::from([203, 0, 113, 9]));
        assert_eq!(key(request().extension(proxy)), Some(IpAddr::from([203, 0, 113, 7])));
        assert_eq!(key(request().extension(other)), Some(other));
        assert_eq!(key(request()), None, "a header says nothing of who sent it");
    }
}
