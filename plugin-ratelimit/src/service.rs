//! The service.

use plugin_core::{
    AsErrorValue, Reject,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{RateLimitHandle, RateLimitLayer, ResponseFuture};

/// The service that [`RateLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service; `call` takes a token or refuses. Dropping the response's future drops the
/// inner call, and does not bring the token back: the request was made.
///
/// ```
/// use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = RateLimitLayer::new(RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(2).build()?);
/// let search = layer.layer(service_fn(|query: &'static str| async move { Ok::<_, BoxError>(query.len()) }));
/// let export = layer.layer(service_fn(|(): ()| async { Ok::<_, BoxError>("rows") }));
///
/// assert_eq!(search.clone().oneshot("tower").await?, 5);
/// assert_eq!(export.oneshot(()).await?, "rows");
/// assert!(search.oneshot("tower").await.is_err()); // both take from the layer's bucket
/// # Ok(())
/// # }
/// ```
pub type RateLimit<S, R = AsErrorValue> = Wrapped<RateLimitLayer<R>, S>;

impl<S, R: Clone> Layer<S> for RateLimitLayer<R> {
    type Service = RateLimit<S, R>;

    fn layer(&self, inner: S) -> RateLimit<S, R> {
        RateLimit::new(self.clone(), inner)
    }
}

impl<S, R, Req> Wrap<S, Req> for RateLimitLayer<R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = ResponseFuture<S::Future, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        ResponseFuture::admit(self.handle.admit(), || service::call(inner, request), &self.reject)
    }
}

impl<R> HasHandle for RateLimitLayer<R> {
    type Handle = RateLimitHandle;

    fn handle(&self) -> RateLimitHandle {
        self.handle.clone()
    }
}
