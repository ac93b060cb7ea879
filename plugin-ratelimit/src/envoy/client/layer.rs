//! The layer.

use std::fmt;

use http_body::Body;
use plugin_core::{AsErrorValue, AsGrpcStatus, AsHttpResponse, BoxError};
use tonic::client::GrpcService;

use super::{EnvoyRateLimitConfig, EnvoyRateLimitHandle, ask::Client};

/// Asks a rate limit service about each request, and refuses those that it says are over a limit.
///
/// What is asked is what a closure, or a [`KeyOf`](plugin_core::KeyOf), makes of a request: one
/// [`EnvoyDescriptor`](super::EnvoyDescriptor), several, or an [`EnvoyQuestion`](super::EnvoyQuestion). A request of
/// which it makes nothing passes unasked.
///
/// A refusal is `RATELIMIT_1501`, says when to come back if the service does, and never reaches the inner service. **No
/// request fails because the service is away**, unless the setting
/// [`on_failure`](super::EnvoyRateLimitConfigBuilder::with_on_failure) says so: it passes, is counted, and one line in
/// ten seconds at most says why. Readiness is that of the inner service, and the question is asked in the response's
/// future, so it is within the deadline of a layer outside.
///
/// ```no_run
/// use http::Request;
/// use plugin_ratelimit::envoy::{EnvoyDescriptor, EnvoyRateLimitConfig, EnvoyRateLimitLayer};
/// use tonic::transport::Endpoint;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let channel = Endpoint::from_static("http://ratelimit.internal:8081").connect_lazy();
/// let config = EnvoyRateLimitConfig::builder("shop").build()?;
/// let limit = EnvoyRateLimitLayer::new(config, channel, |request: &Request<axum::body::Body>| {
///     let user = request.headers().get("x-user")?.to_str().ok()?;
///     Some(EnvoyDescriptor::new([("path", request.uri().path()), ("user", user)]))
/// });
/// let app: axum::Router = axum::Router::new().layer(limit.for_http());
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct EnvoyRateLimitLayer<Q, R = AsErrorValue> {
    pub(super) handle: EnvoyRateLimitHandle,
    pub(super) question_of: Q,
    pub(super) reject: R,
}

impl<Q> EnvoyRateLimitLayer<Q> {
    /// Asks over this client: a `tonic::transport::Channel`, with interceptors or layers around it, or an
    /// [`EnvoyRateLimitServer`](crate::envoy::EnvoyRateLimitServer) in this process. Each question is put by a clone of it.
    pub fn new<C>(config: EnvoyRateLimitConfig, client: C, question_of: Q) -> Self
    where
        C: GrpcService<tonic::body::Body> + Clone + Send + Sync + 'static,
        C::Future: Send,
        C::Error: Into<BoxError>,
        C::ResponseBody: Body + Send + 'static,
        <C::ResponseBody as Body>::Error: Into<BoxError>,
    {
        Self { handle: EnvoyRateLimitHandle::new(config, Client(client)), question_of, reject: AsErrorValue }
    }

    /// Asks over the client of another layer, with its settings and figures.
    pub fn sharing(handle: &EnvoyRateLimitHandle, question_of: Q) -> Self {
        Self { handle: handle.clone(), question_of, reject: AsErrorValue }
    }
}

impl<Q, R> EnvoyRateLimitLayer<Q, R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> EnvoyRateLimitLayer<Q, R2> {
        EnvoyRateLimitLayer { handle: self.handle, question_of: self.question_of, reject }
    }

    /// Answers refusals with status 429, `Retry-After` and the `RateLimit` headers: for an `axum::Router` and other
    /// HTTP services. What the service gives as a body or as headers of its own is not passed on.
    pub fn for_http(self) -> EnvoyRateLimitLayer<Q, AsHttpResponse> {
        self.reject_with(AsHttpResponse)
    }

    /// Answers refusals with the status `RESOURCE_EXHAUSTED` and `RetryInfo`: for a gRPC server or channel.
    pub fn for_grpc(self) -> EnvoyRateLimitLayer<Q, AsGrpcStatus> {
        self.reject_with(AsGrpcStatus)
    }

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> EnvoyRateLimitLayer<Q> {
        self.reject_with(AsErrorValue)
    }

    /// Statistics and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> EnvoyRateLimitHandle {
        self.handle.clone()
    }
}

impl<Q, R> fmt::Debug for EnvoyRateLimitLayer<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvoyRateLimitLayer").field("handle", &self.handle).finish_non_exhaustive()
    }
}
