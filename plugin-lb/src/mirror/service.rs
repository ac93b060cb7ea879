//! The service.

use std::panic::{AssertUnwindSafe, catch_unwind};

use plugin_core::{
    ByErrorType, Classify,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tokio::runtime::Handle;
use tower_layer::Layer;
use tower_service::Service;

use super::{CopyByClone, CopyRequest, MarkCopy, MirrorHandle, MirrorLayer, Unmarked, task};

/// The service that [`MirrorLayer`] makes.
///
/// `poll_ready` and the future are those of the inner service; `call` passes the request on, and sends a copy to the mirror
/// where it is its turn. A copy is made of each call that reaches the layer, also of one that is refused beneath it, or whose
/// future is never polled.
///
/// ```
/// use plugin_lb::{MirrorConfig, MirrorLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let echo = service_fn(|n: u32| async move { Ok::<_, BoxError>(n) });
/// let hanging = service_fn(|_: u32| std::future::pending::<Result<u32, BoxError>>());
/// let service = MirrorLayer::new(MirrorConfig::default(), hanging).layer(echo);
/// let handle = service.handle();
/// assert_eq!(service.oneshot(7).await?, 7); // at once
/// assert_eq!(handle.stats().in_flight, 1);
/// # Ok(())
/// # }
/// ```
pub type Mirror<S, M, C = ByErrorType, K = Unmarked, Q = CopyByClone> = Wrapped<MirrorLayer<M, C, K, Q>, S>;

impl<S, M: Clone, C: Clone, K: Clone, Q: Clone> Layer<S> for MirrorLayer<M, C, K, Q> {
    type Service = Mirror<S, M, C, K, Q>;

    fn layer(&self, inner: S) -> Self::Service {
        Mirror::new(self.clone(), inner)
    }
}

impl<S, M, C, K, Q, Req> Wrap<S, Req> for MirrorLayer<M, C, K, Q>
where
    S: Service<Req>,
    M: Service<Req> + Clone + Send + 'static,
    M::Future: Send,
    C: Classify<M::Response, M::Error> + Clone + Send + 'static,
    K: MarkCopy<Req>,
    Q: CopyRequest<Req>,
    Req: Send + 'static,
{
    type Future = S::Future;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> S::Future {
        let Some((place, timeout)) = self.state.admit() else { return service::call(inner, request) };
        let begin = self.begin(&request, place, timeout);
        let future = service::call(inner, request);
        // After the call, which is on its way first.
        begin();
        future
    }
}

impl<M, C, K, Q> MirrorLayer<M, C, K, Q> {
    /// Copies the request, and gives back what sends the copy.
    fn begin<Req>(
        &self,
        request: &Req,
        place: super::state::Place,
        timeout: std::time::Duration,
    ) -> impl FnOnce() + use<M, C, K, Q, Req>
    where
        M: Service<Req> + Clone + Send + 'static,
        M::Future: Send,
        C: Classify<M::Response, M::Error> + Clone + Send + 'static,
        K: MarkCopy<Req>,
        Q: CopyRequest<Req>,
        Req: Send + 'static,
    {
        // What panics here is the copy's, and the caller has no part in it.
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut copy = self.copy.copy(request)?;
            let limit = self.mark.mark(&mut copy, timeout);
            let runtime = self.runtime.clone().or_else(|| Handle::try_current().ok())?;
            Some((copy, limit, runtime, self.mirror.clone(), self.classify.clone()))
        }));
        move || match made {
            Ok(Some((copy, limit, runtime, mirror, classify))) => {
                place.begins();
                drop(runtime.spawn(task::run(place, classify, mirror, copy, limit)));
            }
            _ => place.is_not_used(),
        }
    }
}

impl<M, C, K, Q> HasHandle for MirrorLayer<M, C, K, Q> {
    type Handle = MirrorHandle;

    fn handle(&self) -> MirrorHandle {
        MirrorLayer::handle(self)
    }
}
