//! The service.

use std::{hash::Hash, sync::Arc};

use plugin_core::{
    AsErrorValue, AtHead, ByErrorType, Classify, KeyOf, Outcome, ResponseBodyRule,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{KeyedBreakerHandle, KeyedBreakerLayer};
use crate::{Refuse, ResponseFuture, guard::Admission};

/// The service that [`KeyedBreakerLayer`] makes.
///
/// It is ready when its inner service is, and decides in `call`.
///
/// ```
/// use plugin_breaker::{CircuitBreakerConfig, KeyedBreakerLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = KeyedBreakerLayer::new(CircuitBreakerConfig::default(), |host: &&'static str| Some(*host));
/// let service = layer.layer(service_fn(|host: &'static str| async move {
///     if host == "down.example" { Err::<&str, BoxError>("connection refused".into()) } else { Ok("hello") }
/// }));
///
/// for _ in 0..5 {
///     assert!(service.clone().oneshot("down.example").await.is_err());
/// }
/// let refused = service.clone().oneshot("down.example").await.expect_err("its circuit is open");
/// assert!(refused.to_string().starts_with("the circuit is open (CIRCUIT_1401)"), "{refused}");
/// assert_eq!(service.oneshot("up.example").await?, "hello");
/// # Ok(())
/// # }
/// ```
pub type KeyedBreaker<S, K, X, C = ByErrorType, R = AsErrorValue, O = AtHead> =
    Wrapped<KeyedBreakerLayer<K, X, C, R, O>, S>;

impl<S, K, X: Clone, C: Clone, R: Clone, O> Layer<S> for KeyedBreakerLayer<K, X, C, R, O> {
    type Service = KeyedBreaker<S, K, X, C, R, O>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedBreaker::new(self.clone(), inner)
    }
}

impl<S, K, X, C, R, O, Req> Wrap<S, Req> for KeyedBreakerLayer<K, X, C, R, O>
where
    S: Service<Req>,
    K: Hash + Eq + Clone,
    X: KeyOf<Req, Key = K>,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Refuse<S::Response, S::Error> + Clone,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
{
    type Future = ResponseFuture<S::Future, C, R, O>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let admission = self.key_of.key(&request).map_or(Admission::Free, |key| self.breakers.admit(&key));
        ResponseFuture::call(inner, request, admission, self.classify.clone(), self.reject.clone())
    }
}

impl<K: Hash + Eq + Clone, X, C, R, O> HasHandle for KeyedBreakerLayer<K, X, C, R, O> {
    type Handle = KeyedBreakerHandle<K>;

    fn handle(&self) -> KeyedBreakerHandle<K> {
        KeyedBreakerHandle::new(Arc::clone(&self.breakers))
    }
}
