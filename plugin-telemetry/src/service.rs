//! The service.

use tower_layer::Layer;
use tower_service::Service;

use super::{AnyRequest, Describe, ResponseFuture, TelemetryHandle, TelemetryLayer, future::Active};
use plugin_core::{
    AtHead, ByErrorType, Classify, Outcome, ResponseBodyRule,
    service::{HasHandle, Wrap, Wrapped},
};

/// The service that [`TelemetryLayer`] makes.
///
/// ```
/// use plugin_telemetry::TelemetryLayer;
/// use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = TelemetryLayer::new("echo");
/// let mut service = layer.layer(service_fn(|word: &'static str| async move { Ok::<_, BoxError>(word) }));
///
/// let call = service.ready().await?.call("hello");
/// assert_eq!(layer.handle().stats().active(), 1); // until the future ends, or is dropped
/// assert_eq!(call.await?, "hello");
/// assert_eq!(layer.handle().stats().active(), 0);
/// # Ok(())
/// # }
/// ```
pub type Telemetry<S, D = AnyRequest, C = ByErrorType, O = AtHead> = Wrapped<TelemetryLayer<D, C, O>, S>;

impl<S, D: Clone, C: Clone, O> Layer<S> for TelemetryLayer<D, C, O> {
    type Service = Telemetry<S, D, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Telemetry::new(self.clone(), inner)
    }
}

impl<S, D, C, O, Req> Wrap<S, Req> for TelemetryLayer<D, C, O>
where
    S: Service<Req>,
    S::Response: 'static,
    S::Error: 'static,
    D: Describe<Req>,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
{
    type Future = ResponseFuture<S::Future, C, O>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let span = self.describe.span(&self.name, &request);
        let mut active = Active::new(self.counters.lease(), self.describe.started(&request), span, self.takes_end);
        let asked = O::asked(&request);
        let _entered = active.mark();
        ResponseFuture::made(inner, request, &mut Some(active), asked, self.classify.clone())
    }
}

impl<D, C, O> HasHandle for TelemetryLayer<D, C, O> {
    type Handle = TelemetryHandle;

    fn handle(&self) -> TelemetryHandle {
        TelemetryHandle(self.counters.to_arc())
    }
}
