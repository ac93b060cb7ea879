//! The layer.

use std::{fmt, hash::Hash};

use plugin_core::{ByErrorType, KeyOf, sync::Striped};

use super::{CacheConfig, CacheHandle, EveryCall, OnlyIdempotent, handle::Store};

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
    pub(super) shared: Striped<Store<K, Res>>,
    pub(super) key_of: X,
    pub(super) classify: C,
    pub(super) admit: A,
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
    /// Sets what judges which answers are kept (a success, as far as [`Admit::keeps`](super::Admit::keeps) lets it), and what an old answer may
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

    /// Serves and keeps the calls that this [`Admit`](super::Admit) selects, where they have a key.
    pub fn admit<A2>(self, admit: A2) -> CacheLayer<K, X, Res, C, A2> {
        let Self { shared, key_of, classify, .. } = self;
        CacheLayer { shared, key_of, classify, admit }
    }

    /// Reads and clears what every service of this layer keeps.
    pub fn handle(&self) -> CacheHandle<K, Res> {
        CacheHandle(self.shared.to_arc())
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
