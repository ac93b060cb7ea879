//! The service.

use std::{future::Future, hash::Hash};

use plugin_core::{
    KeyOf, readiness,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ByDeadline, CoalesceFuture, CoalesceHandle, CoalesceLayer, Deadlines, Shareable, future::Caller,
    shared_calls::JoinedCall,
};

impl<S, K, X: Clone, Res, Err, D: Clone> Layer<S> for CoalesceLayer<K, X, Res, Err, D> {
    type Service = Coalesce<S, K, X, Res, Err, D>;

    fn layer(&self, inner: S) -> Self::Service {
        Coalesce::new(self.clone(), inner)
    }
}

/// The service that [`CoalesceLayer`] makes.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_fallback::{
///     coalesce::CoalesceLayer,
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), PluginError> {
/// let layer = CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload()));
/// let service = layer.layer(service_fn(|call: Call<u32>| async move {
///     tokio::time::sleep(Duration::from_secs(1)).await;
///     Ok::<_, PluginError>(call.into_payload())
/// }));
///
/// // The one who came first goes away; the other has its answer all the same.
/// let (first, second) = (service.clone().oneshot(Call::new(7)), service.oneshot(Call::new(7)));
/// let first = tokio::time::timeout(Duration::from_millis(500), first);
/// let (gave_up, answered) = tokio::join!(first, second);
/// assert!(gave_up.is_err());
/// assert_eq!(answered?, 7);
/// # Ok(())
/// # }
/// ```
pub type Coalesce<S, K, X, Res, Err, D = ByDeadline> = Wrapped<CoalesceLayer<K, X, Res, Err, D>, S>;

impl<K: Hash + Eq + Clone, X, Res, Err, D> HasHandle for CoalesceLayer<K, X, Res, Err, D> {
    type Handle = CoalesceHandle<K, Res, Err>;

    fn handle(&self) -> CoalesceHandle<K, Res, Err> {
        CoalesceHandle(self.shared.to_arc())
    }
}

impl<S, K, X, Req, D> Wrap<S, Req> for CoalesceLayer<K, X, S::Response, S::Error, D>
where
    S: Service<Req>,
    S::Response: Clone,
    S::Error: Shareable,
    S::Future: Future + Send + 'static,
    K: Hash + Eq + Clone,
    X: KeyOf<Req, Key = K>,
    D: Deadlines<Req, S::Response, S::Error>,
{
    type Future = CoalesceFuture<S::Future, D::Waiting<Caller<K, S::Response, S::Error>>>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let Some(key) = self.key_of.key(&request) else { return CoalesceFuture::alone(inner.call(request)) };
        let joined = self.deadlines.join(request, |mut request, until| {
            let shared = self.shared.lease();
            let Some(JoinedCall { shared_call, place, leads }) = shared.board(&key, until) else {
                return Err(inner.call(request));
            };
            let caller = Caller::new(shared, key, shared_call, place);
            if leads {
                D::take(&mut request);
                caller.lead(|| Box::pin(inner.call(request)));
            } else {
                readiness::unused();
            }
            Ok(caller)
        });
        match joined {
            Ok(waiting) => CoalesceFuture::shared(waiting),
            Err(alone) => CoalesceFuture::alone(alone),
        }
    }
}
