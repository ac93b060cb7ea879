//! Servers, clients and stacks for the tests.

use std::{future::Future, net::SocketAddr, time::Duration};

use plugin_core::Rejected;
use plugin_ratelimit::{
    RateLimitConfig,
    envoy::{EnvoyDescriptor, EnvoyRateLimitConfig, EnvoyRateLimitConfigBuilder, EnvoyRateLimitServer, EnvoyRule},
    plugin_core,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};
use tower::{BoxError, ServiceExt};

/// Longer than anything takes on a machine that is busy.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// So few tokens come back that none does while a test runs.
pub(crate) fn without_refill(burst: u32) -> RateLimitConfig {
    limit(1e-4, burst)
}

pub(crate) fn limit(per_second: f64, burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(per_second).with_burst_size(burst).build().expect("valid")
}

/// Each user of `shop`.
pub(crate) fn each_user(limit: RateLimitConfig) -> EnvoyRule {
    EnvoyRule::new("shop", limit).with_any("user")
}

pub(crate) fn server(rules: impl IntoIterator<Item = EnvoyRule>) -> EnvoyRateLimitServer {
    EnvoyRateLimitServer::builder().with_rules(rules).build().expect("rules")
}

/// Serves on a port of the system's choice, or on this one.
pub(crate) async fn serve(server: EnvoyRateLimitServer, at: Option<SocketAddr>) -> (SocketAddr, JoinHandle<()>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(at.unwrap_or(any)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = Server::builder().add_service(server).serve_with_incoming(TcpIncoming::from(listener));
    (address, tokio::spawn(async move { serving.await.expect("it serves") }))
}

pub(crate) fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy()
}

/// Settings under which no answer is late, however busy the machine is.
pub(crate) fn patient() -> EnvoyRateLimitConfigBuilder {
    EnvoyRateLimitConfig::builder("shop").with_timeout(LONG)
}

/// A request, which says nothing but whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of(pub(crate) &'static str);

pub(crate) fn by_user(request: &Of) -> Option<EnvoyDescriptor> {
    (!request.0.is_empty()).then(|| EnvoyDescriptor::new([("user", request.0)]))
}

/// How a call ended: its refusal, or nothing.
pub(crate) async fn call<S>(service: &S, user: &'static str) -> Option<Rejected>
where
    S: tower::Service<Of, Response = (), Error = BoxError> + Clone,
{
    match within(service.clone().oneshot(Of(user))).await {
        Ok(_) => None,
        Err(error) => Some(*Rejected::find_in(&error).expect("a refusal")),
    }
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG * 2, work).await.expect("it ends")
}

/// The inner service: whoever comes to it is answered.
#[macro_export]
macro_rules! inner {
    () => {
        tower::service_fn(|_: $crate::support::Of| async { Ok::<_, tower::BoxError>(()) })
    };
}
