//! The service.

use std::{sync::Arc, time::Duration};

use plugin_core::{
    AsErrorValue, KeyOf, Reject,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{OneKey, SharedBucket, SharedRateLimitLayer, decision::KEYLESS};
use crate::{elsewhere::Elsewhere, held::HeldResponseFuture};

/// What a call waits for.
const WAITING: &str = "waiting for the shared limit";

/// The service that [`SharedRateLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service. Where Redis must decide, the response's future asks it, and then calls a clone of
/// the inner service. Dropping the future ends the question or the inner call; a token
/// that was taken does not come back, nor does the rest of a batch that the question was to bring.
///
/// ```
/// use plugin_ratelimit::{OneKey, RateLimitConfig, RedisConfig, RedisStore, SharedBucket, SharedRateLimitLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // Nothing listens there: this instance decides alone, with its share of the limit.
/// let store = RedisStore::new(RedisConfig::builder("redis://127.0.0.1:1").build()?);
/// let bucket = SharedBucket::new(&store, "search", RateLimitConfig::default());
/// let service = SharedRateLimitLayer::sharing(&bucket, OneKey)
///     .layer(service_fn(|query: &'static str| async move { Ok::<_, BoxError>(query.len()) }));
/// assert_eq!(service.oneshot("tower").await?, 5);
/// # Ok(())
/// # }
/// ```
pub type SharedRateLimit<S, X = OneKey, R = AsErrorValue> = Wrapped<SharedRateLimitLayer<X, R>, S>;

impl<S, X: Clone, R: Clone> Layer<S> for SharedRateLimitLayer<X, R> {
    type Service = SharedRateLimit<S, X, R>;

    fn layer(&self, inner: S) -> SharedRateLimit<S, X, R> {
        SharedRateLimit::new(self.clone(), inner)
    }
}

impl<S, X, R, Req> Wrap<S, Req> for SharedRateLimitLayer<X, R>
where
    S: Service<Req> + Clone,
    X: KeyOf<Req>,
    X::Key: AsRef<str>,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = HeldResponseFuture<S, Req, R>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let key = self.key_of.key(&request);
        let key: Option<&str> = key.as_ref().map(AsRef::as_ref);
        let at_once = match key {
            Some(key) => self.bucket.0.at_once(key, 1),
            None => self.bucket.0.without_key(self.without_key),
        };
        match at_once {
            Ok(Ok(())) => HeldResponseFuture::passed(service::call(inner, request)),
            Ok(Err(rejected)) => HeldResponseFuture::refused(rejected, self.reject.clone()),
            Err(pending) => {
                let (bucket, key) = (Arc::clone(&self.bucket.0), key.unwrap_or(KEYLESS).to_owned());
                let decision =
                    Box::pin(Elsewhere::new(
                        WAITING,
                        async move { bucket.by_redis(&key, pending, Duration::MAX).await },
                    ));
                HeldResponseFuture::held(decision, inner, request, self.reject.clone())
            }
        }
    }
}

impl<X, R> HasHandle for SharedRateLimitLayer<X, R> {
    type Handle = SharedBucket;

    fn handle(&self) -> SharedBucket {
        self.bucket.clone()
    }
}
