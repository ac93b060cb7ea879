//! The layer.

use std::{fmt, hash::Hash};

#[cfg(feature = "grpc")]
use plugin_core::AsGrpcStatus;
#[cfg(feature = "http")]
use plugin_core::AsHttpResponse;
use plugin_core::{AsErrorValue, KeyOf};

use super::{KeyedRateLimitConfig, KeyedRateLimitHandle, KeyedTokenBucket};

/// A token bucket of its own for every key that requests have: a client's address, a tenant. One request takes one token.
///
/// The layer owns the [`KeyedTokenBucket`], which says how it is bounded and what a flood of keys does; every service that
/// the layer makes shares it. A refusal is `RATELIMIT_1501`, says when to come back, and is decided in `call`. A request that
/// has no key takes from a bucket that all such requests share, unless [`WithoutKey`](crate::WithoutKey) says otherwise.
///
/// ```
/// use plugin_ratelimit::{KeyedRateLimitLayer, RateLimitConfig};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let each = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(1).build()?;
/// let layer = KeyedRateLimitLayer::new(each, |request: &(&'static str, u32)| Some(request.0));
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|(_, number): (&'static str, u32)| async move { Ok::<_, BoxError>(number) }));
///
/// assert_eq!(service.clone().oneshot(("acme", 1)).await?, 1);
/// assert!(service.clone().oneshot(("acme", 2)).await.is_err());
/// assert_eq!(service.oneshot(("globex", 3)).await?, 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct KeyedRateLimitLayer<K, X, R = AsErrorValue> {
    pub(super) handle: KeyedRateLimitHandle<K>,
    pub(super) key_of: X,
    pub(super) reject: R,
}

impl<K: Hash + Eq + Clone, X> KeyedRateLimitLayer<K, X> {
    /// Buckets with these settings, by the key that a closure reads from a request.
    pub fn new<Req>(config: impl Into<KeyedRateLimitConfig>, key_of: X) -> Self
    where
        X: Fn(&Req) -> Option<K>,
    {
        Self::sharing(&KeyedTokenBucket::new(config), key_of)
    }

    /// Buckets with these settings, by the key that a [`KeyOf`] reads from a request. For those that are ready-made there are
    /// `by_client_ip`, `by_header` and `by_extension`, with the feature `http`.
    pub fn by<Req>(config: impl Into<KeyedRateLimitConfig>, key_of: X) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        Self::sharing(&KeyedTokenBucket::new(config), key_of)
    }

    /// Passes everything through, until the handle's [`enable`](KeyedRateLimitHandle::enable). The settings are the defaults
    /// until the handle changes them.
    pub fn disabled<Req>(key_of: X) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        let layer = Self::by(KeyedRateLimitConfig::default(), key_of);
        layer.handle.disable();
        layer
    }

    /// Takes from these buckets, which others may take from too. What becomes of requests without a key is as their settings
    /// say, and all who take from these buckets have one for such requests. It is also how a layer is made whose keys have
    /// settings of their own, with [`KeyedTokenBucket::with_limits`].
    pub fn sharing(bucket: &KeyedTokenBucket<K>, key_of: X) -> Self {
        Self { handle: KeyedRateLimitHandle::new(bucket.clone()), key_of, reject: AsErrorValue }
    }
}

impl<K: Hash + Eq + Clone, X, R> KeyedRateLimitLayer<K, X, R> {
    /// Statistics and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> KeyedRateLimitHandle<K> {
        self.handle.clone()
    }
}

impl<K, X, R> KeyedRateLimitLayer<K, X, R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> KeyedRateLimitLayer<K, X, R2> {
        KeyedRateLimitLayer { handle: self.handle, key_of: self.key_of, reject }
    }

    /// As [`RateLimitLayer::for_http`](crate::RateLimitLayer::for_http).
    #[cfg(feature = "http")]
    pub fn for_http(self) -> KeyedRateLimitLayer<K, X, AsHttpResponse> {
        self.reject_with(AsHttpResponse)
    }

    /// As [`RateLimitLayer::for_grpc`](crate::RateLimitLayer::for_grpc).
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> KeyedRateLimitLayer<K, X, AsGrpcStatus> {
        self.reject_with(AsGrpcStatus)
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> KeyedRateLimitLayer<K, X> {
        self.reject_with(AsErrorValue)
    }
}

impl<K, X: Clone, R: Clone> Clone for KeyedRateLimitLayer<K, X, R> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), key_of: self.key_of.clone(), reject: self.reject.clone() }
    }
}

impl<K, X, R> fmt::Debug for KeyedRateLimitLayer<K, X, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimitLayer").field("handle", &self.handle).finish_non_exhaustive()
    }
}
