//! The service.

use plugin_core::{
    AsErrorValue, AtHead, ByErrorType, Classify, Reject, ResponseBodyRule,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ConcurrencyLimitFuture, ConcurrencyLimitHandle, ConcurrencyLimitLayer, HoldPermit, PriorityOf, SamePriority,
    future::Answers,
};

/// The service that [`ConcurrencyLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service. Where a permit is free, `call` calls the inner service; otherwise the future
/// waits for one with a clone of it, and calls that. Dropping the response's future leaves the line, or drops the inner call
/// and then frees the place.
///
/// ```
/// use plugin_ratelimit::concurrency::{ConcurrencyLimitConfig, ConcurrencyLimitLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::builder().with_max(1).build()?);
/// let service = layer.layer(service_fn(|n: u32| async move {
///     tokio::task::yield_now().await;
///     Ok::<_, BoxError>(n + 1)
/// }));
/// let (first, second) = tokio::join!(service.clone().oneshot(1), service.oneshot(2)); // one after the other
/// assert_eq!((first?, second?), (2, 3));
/// # Ok(())
/// # }
/// ```
pub type ConcurrencyLimited<S, C = ByErrorType, P = SamePriority, R = AsErrorValue, O = AtHead> =
    Wrapped<ConcurrencyLimitLayer<C, P, R, O>, S>;

impl<S, C: Clone, P: Clone, R: Clone, O> Layer<S> for ConcurrencyLimitLayer<C, P, R, O> {
    type Service = ConcurrencyLimited<S, C, P, R, O>;

    fn layer(&self, inner: S) -> Self::Service {
        ConcurrencyLimited::new(self.clone(), inner)
    }
}

impl<S, C, P, R, O, Req> Wrap<S, Req> for ConcurrencyLimitLayer<C, P, R, O>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    P: PriorityOf<Req>,
    R: Reject<S::Response, S::Error> + Clone,
    O: HoldPermit<S::Response> + ResponseBodyRule<Req>,
{
    type Future = ConcurrencyLimitFuture<S, Req, C, R, O>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let answers = Answers { classify: self.classify.clone(), reject: self.reject.clone() };
        ConcurrencyLimitFuture::call(&self.limit, inner, request, |request| self.priority.priority(request), answers)
    }
}

impl<C, P, R, O> HasHandle for ConcurrencyLimitLayer<C, P, R, O> {
    type Handle = ConcurrencyLimitHandle;

    fn handle(&self) -> ConcurrencyLimitHandle {
        Self::handle(self)
    }
}
