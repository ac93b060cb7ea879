//! The service.

use plugin_core::{
    AtHead, ByErrorType, Classify, Outcome, ResponseBodyRule,
    classify::sees_failures,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{PassiveHealthFuture, PassiveHealthHandle, PassiveHealthLayer};

/// The service that [`PassiveHealthLayer`] makes.
///
/// `poll_ready` is that of the inner service, and `call` passes every request on. Dropping the response's future drops the inner
/// call, which is evidence only where the service had its time.
///
/// ```
/// use plugin_health::{HealthCheck, HealthConfig, PassiveHealthConfig, PassiveHealthLayer, plugin_core::HealthStatus, probe};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let check = HealthCheck::start(HealthConfig::default(), probe(|| async { HealthStatus::healthy() }));
/// let layer = PassiveHealthLayer::sharing(PassiveHealthConfig::default(), &check);
/// let service = layer.layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n + 1) }));
/// assert_eq!(service.oneshot(1).await?, 2);
/// # Ok(())
/// # }
/// ```
pub type PassiveHealth<S, C = ByErrorType, O = AtHead> = Wrapped<PassiveHealthLayer<C, O>, S>;

impl<S, C: Clone, O> Layer<S> for PassiveHealthLayer<C, O> {
    type Service = PassiveHealth<S, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        PassiveHealth::new(self.clone(), inner)
    }
}

impl<S, C, O, Req> Wrap<S, Req> for PassiveHealthLayer<C, O>
where
    S: Service<Req>,
    S::Response: 'static,
    S::Error: 'static,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
{
    type Future = PassiveHealthFuture<S::Future, C, O>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        const {
            assert!(
                sees_failures::<C, S::Response, S::Error>(),
                "no outcome of this service is a failure to who judges errors alone: `.for_http()` or `.for_grpc()` judges responses"
            );
        }
        let asked = O::asked(&request);
        let call = || service::call(inner, request);
        PassiveHealthFuture::new(self.handle.0.lease(), call, asked, self.classify.clone())
    }
}

impl<C, O> HasHandle for PassiveHealthLayer<C, O> {
    type Handle = PassiveHealthHandle;

    fn handle(&self) -> PassiveHealthHandle {
        self.handle.clone()
    }
}
