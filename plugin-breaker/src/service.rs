//! The service.

use plugin_core::{
    AsErrorValue, AtHead, ByErrorType, Classify, Outcome, ResponseBodyRule,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{CircuitBreakerHandle, CircuitBreakerLayer, Refuse, ResponseFuture};

/// The service that [`CircuitBreakerLayer`] makes.
///
/// It is ready when its inner service is, and decides in `call`: a service that was found ready and is then dropped has
/// taken no probe's place.
///
/// ```
/// use plugin_breaker::CircuitBreakerLayer;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = CircuitBreakerLayer::default();
/// let failing = layer.layer(service_fn(|(): ()| async { Err::<&str, BoxError>("connection refused".into()) }));
/// let working = layer.layer(service_fn(|(): ()| async { Ok::<_, BoxError>("hello") }));
///
/// for _ in 0..5 {
///     assert!(failing.clone().oneshot(()).await.is_err());
/// }
/// assert!(working.clone().oneshot(()).await.is_err()); // one layer, one breaker
/// layer.handle().reset();
/// assert_eq!(working.oneshot(()).await?, "hello");
/// # Ok(())
/// # }
/// ```
pub type CircuitBreaker<S, C = ByErrorType, R = AsErrorValue, O = AtHead> = Wrapped<CircuitBreakerLayer<C, R, O>, S>;

impl<S, C: Clone, R: Clone, O> Layer<S> for CircuitBreakerLayer<C, R, O> {
    type Service = CircuitBreaker<S, C, R, O>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(self.clone(), inner)
    }
}

impl<S, C, R, O, Req> Wrap<S, Req> for CircuitBreakerLayer<C, R, O>
where
    S: Service<Req>,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Refuse<S::Response, S::Error> + Clone,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
{
    type Future = ResponseFuture<S::Future, C, R, O>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        ResponseFuture::call(inner, request, self.breaker.admit(), self.classify.clone(), self.reject.clone())
    }
}

impl<C, R, O> HasHandle for CircuitBreakerLayer<C, R, O> {
    type Handle = CircuitBreakerHandle;

    fn handle(&self) -> CircuitBreakerHandle {
        self.breaker.handle()
    }
}
