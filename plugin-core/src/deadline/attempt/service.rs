//! The service that an attempt limit makes.

use std::sync::Arc;

use tower_layer::Layer;
use tower_service::Service;

use super::{future::AttemptTimeoutFuture, handle::AttemptTimeoutHandle, layer::AttemptTimeoutLayer};
use crate::{
    AsErrorValue, Reject,
    deadline::{attempt_limit, request::Deadlined},
    service::{HasHandle, Wrap, Wrapped},
};

impl<S, R: Clone> Layer<S> for AttemptTimeoutLayer<R> {
    type Service = AttemptTimeout<S, R>;

    fn layer(&self, inner: S) -> AttemptTimeout<S, R> {
        AttemptTimeout::new(self.clone(), inner)
    }
}

/// The service that [`AttemptTimeoutLayer`](crate::deadline::AttemptTimeoutLayer) makes.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::{Call, PluginError, deadline::AttemptTimeoutLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), PluginError> {
/// let service = AttemptTimeoutLayer::new(Duration::from_secs(5)).layer(service_fn(|call: Call<u64>| async move {
///     tokio::time::sleep(Duration::from_secs(call.into_payload())).await;
///     Ok::<_, PluginError>("done")
/// }));
/// assert_eq!(service.clone().oneshot(Call::new(1)).await?, "done");
/// assert!(service.oneshot(Call::new(10)).await.is_err());
/// # Ok(())
/// # }
/// ```
pub type AttemptTimeout<S, R = AsErrorValue> = Wrapped<AttemptTimeoutLayer<R>, S>;

impl<R> HasHandle for AttemptTimeoutLayer<R> {
    type Handle = AttemptTimeoutHandle;

    fn handle(&self) -> AttemptTimeoutHandle {
        AttemptTimeoutHandle(Arc::clone(&self.limit))
    }
}

impl<S, R, Req> Wrap<S, Req> for AttemptTimeoutLayer<R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
    Req: Deadlined,
{
    type Future = AttemptTimeoutFuture<S::Future, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let limit = self.limit.get();
        let _told = attempt_limit::limiting(limit);
        AttemptTimeoutFuture::begin(inner, request, limit, self.reject.clone())
    }
}
