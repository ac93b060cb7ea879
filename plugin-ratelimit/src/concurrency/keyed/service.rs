//! The service.

use std::hash::Hash;

use plugin_core::{
    AsErrorValue, AtHead, KeyOf, Reject, ResponseBodyRule,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{KeyedConcurrencyLimitFuture, KeyedConcurrencyLimitHandle, KeyedConcurrencyLimitLayer};
use crate::concurrency::HoldPermit;

/// The service that [`KeyedConcurrencyLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service; `call` reads the request's key and takes a permit of it, or refuses. Dropping the
/// response's future drops the inner call, and then frees the place.
///
/// ```
/// use plugin_ratelimit::concurrency::{KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let config = KeyedConcurrencyLimitConfig::builder().with_max(1).build()?;
/// let layer = KeyedConcurrencyLimitLayer::new(config, |tenant: &&'static str| Some(*tenant));
/// let service = layer.layer(service_fn(|tenant: &'static str| async move {
///     tokio::task::yield_now().await;
///     Ok::<_, BoxError>(tenant)
/// }));
/// let of = |tenant| service.clone().oneshot(tenant);
/// let (first, second, other) = tokio::join!(of("acme"), of("acme"), of("globex"));
/// assert!(first.is_ok() && second.is_err() && other.is_ok());
/// # Ok(())
/// # }
/// ```
pub type KeyedConcurrencyLimited<S, K, X, R = AsErrorValue, O = AtHead> =
    Wrapped<KeyedConcurrencyLimitLayer<K, X, R, O>, S>;

impl<S, K, X: Clone, R: Clone, O> Layer<S> for KeyedConcurrencyLimitLayer<K, X, R, O> {
    type Service = KeyedConcurrencyLimited<S, K, X, R, O>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedConcurrencyLimited::new(self.clone(), inner)
    }
}

impl<S, K, X, R, O, Req> Wrap<S, Req> for KeyedConcurrencyLimitLayer<K, X, R, O>
where
    S: Service<Req>,
    K: Hash + Eq + Clone + Send + 'static,
    X: KeyOf<Req, Key = K>,
    R: Reject<S::Response, S::Error> + Clone,
    O: HoldPermit<S::Response> + ResponseBodyRule<Req>,
{
    type Future = KeyedConcurrencyLimitFuture<S::Future, K, R, O>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let taken = self.limit.enter(self.key_of.key(&request));
        KeyedConcurrencyLimitFuture::call(taken, inner, request, self.reject.clone())
    }
}

impl<K: Hash + Eq + Clone, X, R, O> HasHandle for KeyedConcurrencyLimitLayer<K, X, R, O> {
    type Handle = KeyedConcurrencyLimitHandle<K>;

    fn handle(&self) -> KeyedConcurrencyLimitHandle<K> {
        Self::handle(self)
    }
}
