//! The layer and its service.

use std::{fmt, hash::Hash};

use tower_layer::Layer;
use tower_service::Service;

use super::{Admit, CacheConfig, CacheFuture, CacheHandle, EveryCall, OnlyIdempotent, future::KeepPlan, handle::Store};
use plugin_core::{
    ByErrorType, Classify, KeyOf, clock, readiness,
    service::{HasHandle, Wrap, Wrapped},
    sync::Striped,
};

/// Answers from what it has kept of earlier calls; see the [module](super) for what is kept and for how long.
///
/// Keys and responses are `Send + Sync + 'static`, the response is `Clone`, and the request needs nothing. A hit clones
/// the response once. A future that is dropped drops the call, and nothing is kept of it.
///
/// ```
/// use plugin_fallback::{
///     cache::{CacheConfig, CacheLayer},
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let layer = CacheLayer::new(CacheConfig::default(), |call: &Call<u32>| Some(*call.payload()));
/// let handle = layer.handle();
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(call.into_payload() * 2) }));
///
/// for _ in 0..3 {
///     let call = Call::new(21).with_idempotent(true); // else it is not answered from the cache
///     assert_eq!(service.clone().oneshot(call).await?, 42);
/// }
/// assert_eq!((handle.stats().misses(), handle.stats().hits()), (1, 2));
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct CacheLayer<K, X, Res, C = ByErrorType, A = OnlyIdempotent> {
    shared: Striped<Store<K, Res>>,
    key_of: X,
    classify: C,
    admit: A,
}

impl<K, X, Res> CacheLayer<K, X, Res>
where
    K: Hash + Eq + Send + Sync + 'static,
    Res: Clone + Send + Sync + 'static,
{
    /// Keeps answers under the key that a closure reads from a request; a request whose key is `None` is passed on.
    pub fn new<Req>(config: CacheConfig, key_of: X) -> Self
    where
        X: Fn(&Req) -> Option<K>,
    {
        Self::made(config, key_of)
    }

    /// The same for any [`KeyOf`].
    pub fn by<Req>(config: CacheConfig, key_of: X) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        Self::made(config, key_of)
    }

    fn made(config: CacheConfig, key_of: X) -> Self {
        Self { shared: Striped::new(Store::new(config)), key_of, classify: ByErrorType, admit: OnlyIdempotent }
    }
}

impl<K, X, Res, C, A> CacheLayer<K, X, Res, C, A> {
    /// Sets what judges which answers are kept (a success, as far as [`Admit::keeps`] lets it), and what an old answer may
    /// stand in for (a failure): a ready-made value, or a closure `|result: Result<&Response, &Error>|`. Default:
    /// [`ByErrorType`].
    pub fn classify<C2>(self, classify: C2) -> CacheLayer<K, X, Res, C2, A> {
        let Self { shared, key_of, admit, .. } = self;
        CacheLayer { shared, key_of, classify, admit }
    }

    /// For HTTP: responses with a status from 500 are not kept, and an old answer may stand in for them.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> CacheLayer<K, X, Res, plugin_core::ByHttpStatus, A> {
        self.classify(plugin_core::ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// For plugins: every reply is a success, as it is by default.
    pub fn for_calls(self) -> CacheLayer<K, X, Res, ByErrorType, A> {
        self.classify(ByErrorType)
    }

    /// Serves and keeps every call that has a key, marked idempotent or not, and every response that is judged a success: over
    /// HTTP say which those are, by [`classify`](Self::classify), or a status of 500
    /// is one.
    pub fn every_call(self) -> CacheLayer<K, X, Res, C, EveryCall> {
        self.admit(EveryCall)
    }

    /// Serves and keeps the calls that this [`Admit`] selects, where they have a key.
    pub fn admit<A2>(self, admit: A2) -> CacheLayer<K, X, Res, C, A2> {
        let Self { shared, key_of, classify, .. } = self;
        CacheLayer { shared, key_of, classify, admit }
    }

    /// Reads and clears what every service of this layer keeps.
    pub fn handle(&self) -> CacheHandle<K, Res> {
        CacheHandle(self.shared.to_arc())
    }
}

impl<S, K, X: Clone, Res, C: Clone, A: Clone> Layer<S> for CacheLayer<K, X, Res, C, A> {
    type Service = Cache<S, K, X, Res, C, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Cache::new(self.clone(), inner)
    }
}

impl<K, X: Clone, Res, C: Clone, A: Clone> Clone for CacheLayer<K, X, Res, C, A> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            key_of: self.key_of.clone(),
            classify: self.classify.clone(),
            admit: self.admit.clone(),
        }
    }
}

impl<K, X, Res, C, A> fmt::Debug for CacheLayer<K, X, Res, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer").finish_non_exhaustive()
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
