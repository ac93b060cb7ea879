//! The service.

use plugin_core::{
    AsErrorValue, Reject,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{HealthGateFuture, HealthGateHandle, HealthGateLayer};

/// The service that [`HealthGateLayer`] makes.
///
/// `poll_ready` is that of the inner service; `call` passes the request on or refuses. Dropping the response's future drops
/// the inner call.
///
/// ```
/// use plugin_health::{HealthCheck, HealthConfig, HealthGateConfig, HealthGateLayer, plugin_core::HealthStatus, probe};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let config = HealthConfig::builder().with_failure_limit(1).build()?;
/// let check = HealthCheck::start(config, probe(|| async { HealthStatus::unhealthy("connection refused") }));
/// let layer = HealthGateLayer::sharing(HealthGateConfig::default(), &check.cell());
/// let service = layer.layer(service_fn(|(): ()| async { Ok::<_, BoxError>("hello") }));
///
/// check.check_now().await;
/// assert!(service.oneshot(()).await.is_err()); // one failed check is enough, by the settings above
/// # Ok(())
/// # }
/// ```
pub type HealthGate<S, R = AsErrorValue> = Wrapped<HealthGateLayer<R>, S>;

impl<S, R: Clone> Layer<S> for HealthGateLayer<R> {
    type Service = HealthGate<S, R>;

    fn layer(&self, inner: S) -> HealthGate<S, R> {
        HealthGate::new(self.clone(), inner)
    }
}

impl<S, R, Req> Wrap<S, Req> for HealthGateLayer<R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = HealthGateFuture<S::Future, R>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        HealthGateFuture::admit(self.handle.admit(), || service::call(inner, request), &self.reject)
    }
}

impl<R> HasHandle for HealthGateLayer<R> {
    type Handle = HealthGateHandle;

    fn handle(&self) -> HealthGateHandle {
        self.handle.clone()
    }
}
