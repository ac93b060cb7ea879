//! The layer.

use plugin_core::AsErrorValue;
#[cfg(feature = "grpc")]
use plugin_core::AsGrpcStatus;
#[cfg(feature = "http")]
use plugin_core::AsHttpResponse;

use crate::{RateLimitConfig, RateLimitHandle, TokenBucket};

/// Refuses requests that come faster than a [`TokenBucket`] allows. One request takes one token.
///
/// Every service that this layer makes, and every clone of it, takes from the same bucket. A refusal is
/// `RATELIMIT_1501`, says when to come back, and is decided in `call`: readiness takes no token, so none is lost when a
/// service that was ready is not called.
///
/// ```
/// use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let config = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(2).build()?;
/// let layer = RateLimitLayer::new(config);
/// let handle = layer.handle();
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(|(): ()| async { Ok::<_, BoxError>("hello") }));
///
/// assert_eq!(service.clone().oneshot(()).await?, "hello");
/// assert_eq!(service.clone().oneshot(()).await?, "hello");
/// let refused = service.oneshot(()).await.expect_err("the bucket held two tokens");
/// assert!(refused.to_string().contains("RATELIMIT_1501"), "{refused}");
/// assert_eq!((handle.stats().allowed, handle.stats().refused), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RateLimitLayer<R = AsErrorValue> {
    pub(crate) handle: RateLimitHandle,
    pub(crate) reject: R,
}

impl RateLimitLayer {
    /// Limits to these settings, with a bucket of its own.
    pub fn new(config: RateLimitConfig) -> Self {
        Self::sharing(&TokenBucket::new(config))
    }

    /// Passes everything through, until the handle's [`enable`](RateLimitHandle::enable). The settings are the defaults
    /// until the handle changes them.
    pub fn disabled() -> Self {
        Self::sharing(&TokenBucket::with_enabled(RateLimitConfig::default(), false))
    }

    /// Takes from this bucket, which others may take from too.
    pub fn sharing(bucket: &TokenBucket) -> Self {
        Self { handle: RateLimitHandle::new(bucket.clone()), reject: AsErrorValue }
    }
}

impl<R> RateLimitLayer<R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> RateLimitLayer<R2> {
        RateLimitLayer { handle: self.handle, reject }
    }

    /// Answers refusals with status 429, `Retry-After` and the `RateLimit` headers: for an `axum::Router` and other HTTP
    /// services.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> RateLimitLayer<AsHttpResponse> {
        self.reject_with(AsHttpResponse)
    }

    /// Answers refusals with the status `RESOURCE_EXHAUSTED` and `RetryInfo`: for a gRPC server or channel.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> RateLimitLayer<AsGrpcStatus> {
        self.reject_with(AsGrpcStatus)
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> RateLimitLayer {
        self.reject_with(AsErrorValue)
    }

    /// Statistics and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> RateLimitHandle {
        self.handle.clone()
    }
}
