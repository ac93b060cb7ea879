//! The service.

use std::hash::Hash;

use plugin_core::{
    ByErrorType, Classify, KeyOf, clock, readiness,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{Admit, CacheFuture, CacheHandle, CacheLayer, OnlyIdempotent, future::KeepPlan};

impl<S, K, X: Clone, Res, C: Clone, A: Clone> Layer<S> for CacheLayer<K, X, Res, C, A> {
    type Service = Cache<S, K, X, Res, C, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Cache::new(self.clone(), inner)
    }
}

/// The service that [`CacheLayer`] makes.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_fallback::{
///     cache::{CacheConfig, CacheLayer},
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = CacheConfig::builder().with_ttl(Duration::from_secs(60)).build()?;
/// let layer = CacheLayer::new(config, |call: &Call<u32>| Some(*call.payload())).every_call();
/// let service = layer.layer(service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(call.into_payload()) }));
///
/// service.clone().oneshot(Call::new(7)).await?;
/// tokio::time::advance(Duration::from_secs(61)).await; // what was kept is too old
/// service.clone().oneshot(Call::new(7)).await?;
/// assert_eq!((layer.handle().stats().misses(), layer.handle().stats().hits()), (2, 0));
/// # Ok(())
/// # }
/// ```
pub type Cache<S, K, X, Res, C = ByErrorType, A = OnlyIdempotent> = Wrapped<CacheLayer<K, X, Res, C, A>, S>;

impl<K, X, Res, C, A> HasHandle for CacheLayer<K, X, Res, C, A> {
    type Handle = CacheHandle<K, Res>;

    fn handle(&self) -> CacheHandle<K, Res> {
        CacheHandle(self.shared.to_arc())
    }
}

impl<S, K, X, C, A, Req> Wrap<S, Req> for CacheLayer<K, X, S::Response, C, A>
where
    S: Service<Req>,
    S::Response: Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    X: KeyOf<Req, Key = K>,
    C: Classify<S::Response, S::Error> + Clone,
    A: Admit<Req, S::Response>,
{
    type Future = CacheFuture<S::Future, K, S::Response, C>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        let CacheLayer { shared, key_of, classify, admit } = self;
        let Some(key) = Some(&request).filter(|request| admit.admits(request)).and_then(|request| key_of.key(request))
        else {
            return CacheFuture::asking(inner.call(request), None);
        };
        let generation = shared.generation();
        let asked = clock::now();
        if let Some(response) = shared.fresh(&key, asked) {
            readiness::unused();
            return CacheFuture::from_cache(response);
        }
        let plan = KeepPlan {
            shared: shared.lease(),
            key,
            made: (asked, generation),
            classify: classify.clone(),
            keeps: A::keeps,
        };
        CacheFuture::asking(inner.call(request), Some(plan))
    }
}
