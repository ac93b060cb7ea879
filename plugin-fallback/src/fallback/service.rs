//! The service.

use std::sync::Arc;

use plugin_core::{
    Classify,
    classify::sees_failures,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{EveryFailure, FallbackAnswer, FallbackFuture, FallbackHandle, FallbackLayer, future::FallbackPlan};

impl<S, I, C: Clone> Layer<S> for FallbackLayer<I, C> {
    type Service = Fallback<S, I, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(self.clone(), inner)
    }
}

/// The service that [`FallbackLayer`] makes.
///
/// ```
/// use plugin_fallback::FallbackLayer;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let primary = service_fn(|_: &'static str| async { Err::<String, BoxError>("connection refused".into()) });
/// let replica = service_fn(|name: &'static str| async move { Ok::<_, BoxError>(format!("{name}, from the replica")) });
///
/// let service = FallbackLayer::service(replica).layer(primary);
/// assert_eq!(service.oneshot("row 7").await?, "row 7, from the replica");
/// # Ok(())
/// # }
/// ```
pub type Fallback<S, I, C = EveryFailure> = Wrapped<FallbackLayer<I, C>, S>;

impl<I, C> HasHandle for FallbackLayer<I, C> {
    type Handle = FallbackHandle;

    fn handle(&self) -> FallbackHandle {
        FallbackHandle(Arc::clone(&self.used))
    }
}

impl<S, I, C, Req> Wrap<S, Req> for FallbackLayer<I, C>
where
    S: Service<Req>,
    I: FallbackAnswer<Req, S::Response, S::Error>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Future = FallbackFuture<Req, S::Future, I::Future, I, I::Kept, C>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        const {
            assert!(
                sees_failures::<C, S::Response, S::Error>(),
                "this fallback would never be used: the service has no errors, and without a classifier of responses a status \
                 of 500 is a success. Say `.classify(ByHttpStatus::new())` or `.classify(ByGrpcStatus)` (features `http` and \
                 `grpc` of plugin-core), or `.when(|outcome| ..)`"
            );
        }
        let Some(shared) = &self.shared else { return FallbackFuture::new(inner.call(request), None) };
        let shared = shared.lease();
        let plan = FallbackPlan { saved: shared.answer().keep(&request), shared, classify: self.classify.clone() };
        FallbackFuture::new(inner.call(request), Some(plan))
    }
}
