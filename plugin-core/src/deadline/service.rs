//! The service that a deadline layer makes.

use std::sync::Arc;

use tower_layer::Layer;
use tower_service::Service;

use super::{call::limited, future::DeadlineFuture, handle::DeadlineHandle, layer::DeadlineLayer, request::Deadlined};
use crate::{
    AsErrorValue, Reject,
    service::{self, HasHandle, Wrap, Wrapped},
};

impl<S, R: Clone> Layer<S> for DeadlineLayer<R> {
    type Service = Deadline<S, R>;

    fn layer(&self, inner: S) -> Deadline<S, R> {
        Deadline::new(self.clone(), inner)
    }
}

/// The service that [`DeadlineLayer`](super::DeadlineLayer) makes.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::{Call, PluginError, deadline::DeadlineLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let service = DeadlineLayer::new(Duration::from_secs(30)).layer(service_fn(|call: Call<()>| async move {
///     // The deadline travels with the request: whoever makes a call of its own knows what is left.
///     Ok::<_, PluginError>(call.context().deadline().is_some())
/// }));
/// assert!(service.oneshot(Call::new(())).await?);
/// # Ok(())
/// # }
/// ```
pub type Deadline<S, R = AsErrorValue> = Wrapped<DeadlineLayer<R>, S>;

impl<R> HasHandle for DeadlineLayer<R> {
    type Handle = DeadlineHandle;

    fn handle(&self) -> DeadlineHandle {
        DeadlineHandle(Arc::clone(&self.limit))
    }
}

impl<S, R, Req> Wrap<S, Req> for DeadlineLayer<R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
    Req: Deadlined,
{
    type Future = DeadlineFuture<S::Future, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        limited(request, self.limit.get(), |request| service::call(inner, request), self.reject.clone())
    }
}
