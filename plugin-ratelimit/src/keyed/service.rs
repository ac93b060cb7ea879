//! The service.

use std::hash::Hash;

use plugin_core::{
    AsErrorValue, KeyOf, Reject,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{KeyedRateLimitHandle, KeyedRateLimitLayer};
use crate::ResponseFuture;

/// The service that [`KeyedRateLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service; `call` reads the request's key and takes a token of it, or refuses. Dropping
/// the response's future drops the inner call, and does not bring the token back: the request was made.
///
/// ```
/// use plugin_ratelimit::{KeyedRateLimitLayer, RateLimitConfig};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let each = RateLimitConfig::builder().with_burst_size(1).build()?;
/// let layer = KeyedRateLimitLayer::new(each, |tenant: &&'static str| Some(*tenant));
/// let search = layer.layer(service_fn(|tenant: &'static str| async move { Ok::<_, BoxError>(tenant.len()) }));
/// let export = layer.layer(service_fn(|_: &'static str| async { Ok::<_, BoxError>("rows") }));
///
/// assert_eq!(search.oneshot("acme").await?, 4);
/// assert!(export.oneshot("acme").await.is_err()); // both take from the layer's buckets
/// # Ok(())
/// # }
/// ```
pub type KeyedRateLimit<S, K, X, R = AsErrorValue> = Wrapped<KeyedRateLimitLayer<K, X, R>, S>;

impl<S, K, X: Clone, R: Clone> Layer<S> for KeyedRateLimitLayer<K, X, R> {
    type Service = KeyedRateLimit<S, K, X, R>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedRateLimit::new(self.clone(), inner)
    }
}

impl<S, K, X, R, Req> Wrap<S, Req> for KeyedRateLimitLayer<K, X, R>
where
    S: Service<Req>,
    K: Hash + Eq + Clone,
    X: KeyOf<Req, Key = K>,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = ResponseFuture<S::Future, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let key = self.key_of.key(&request);
        ResponseFuture::admit(self.handle.admit(key.as_ref()), || service::call(inner, request), &self.reject)
    }
}

impl<K: Hash + Eq + Clone, X, R> HasHandle for KeyedRateLimitLayer<K, X, R> {
    type Handle = KeyedRateLimitHandle<K>;

    fn handle(&self) -> KeyedRateLimitHandle<K> {
        self.handle.clone()
    }
}
