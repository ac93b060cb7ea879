//! The service.

use plugin_core::{
    AsErrorValue, ByErrorType, Classify, Reject,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{AdaptiveThrottleFuture, AdaptiveThrottleHandle, AdaptiveThrottleLayer};

/// The service that [`AdaptiveThrottleLayer`] makes.
///
/// `poll_ready` is that of the inner service; `call` passes the request on or refuses it. Dropping the response's future drops the
/// inner call, which then counts as accepted: it says nothing of the service, unless that had its time.
///
/// ```
/// use plugin_ratelimit::throttle::AdaptiveThrottleLayer;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = AdaptiveThrottleLayer::default();
/// let service = layer.layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n + 1) }));
/// assert_eq!(service.oneshot(1).await?, 2); // a service that takes everything is sent everything
/// assert_eq!(layer.handle().stats().accepts, 1);
/// # Ok(())
/// # }
/// ```
pub type AdaptiveThrottle<S, C = ByErrorType, R = AsErrorValue> = Wrapped<AdaptiveThrottleLayer<C, R>, S>;

impl<S, C: Clone, R: Clone> Layer<S> for AdaptiveThrottleLayer<C, R> {
    type Service = AdaptiveThrottle<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        AdaptiveThrottle::new(self.clone(), inner)
    }
}

impl<S, C, R, Req> Wrap<S, Req> for AdaptiveThrottleLayer<C, R>
where
    S: Service<Req>,
    C: Classify<S::Response, S::Error> + Clone,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = AdaptiveThrottleFuture<S::Future, C, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let admitted = self.handle.0.admit();
        AdaptiveThrottleFuture::admit(
            admitted,
            || service::call(inner, request),
            &self.handle.0,
            &self.classify,
            &self.reject,
        )
    }
}

impl<C, R> HasHandle for AdaptiveThrottleLayer<C, R> {
    type Handle = AdaptiveThrottleHandle;

    fn handle(&self) -> AdaptiveThrottleHandle {
        self.handle.clone()
    }
}
