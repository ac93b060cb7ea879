//! The layer.

use std::{fmt, hash::Hash, marker::PhantomData};

#[cfg(feature = "grpc")]
use plugin_core::AsGrpcStatus;
use plugin_core::{AsErrorValue, AtHead, KeyOf};
#[cfg(feature = "http")]
use plugin_core::{AsHttpResponse, AtEnd};

use super::{KeyedConcurrencyLimit, KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitHandle};

/// Lets so many requests of each key be in flight at once as a [`KeyedConcurrencyLimit`] allows: of a client's address, of a
/// tenant. Others are refused at once, with `OVERLOAD_2001`.
///
/// Every service that this layer makes, and every clone of it, is under the same limit. A permit is taken in `call`. A request
/// holds it until the response is there; with [`follow`](Self::follow) and in the presets for HTTP and gRPC until the body of
/// the response has ended; or until its future, or that body, is dropped. Requests that have no key are counted together,
/// unless [`WithoutKey`](crate::WithoutKey) says otherwise.
///
/// ```
/// use plugin_ratelimit::concurrency::{KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let config = KeyedConcurrencyLimitConfig::builder().with_max(1).build()?;
/// let layer = KeyedConcurrencyLimitLayer::new(config, |tenant: &&'static str| Some(*tenant));
/// let handle = layer.handle();
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|tenant: &'static str| async move { Ok::<_, BoxError>(tenant.len()) }));
///
/// let permit = handle.limit().try_acquire("acme")?; // as another call in flight would
/// let refused = service.clone().oneshot("acme").await.expect_err("one may be in flight");
/// assert!(refused.to_string().contains("OVERLOAD_2001"), "{refused}");
/// assert_eq!(service.clone().oneshot("globex").await?, 6);
/// drop(permit);
/// assert_eq!(service.oneshot("acme").await?, 4);
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct KeyedConcurrencyLimitLayer<K, X, R = AsErrorValue, O = AtHead> {
    pub(super) limit: KeyedConcurrencyLimit<K>,
    pub(super) key_of: X,
    pub(super) reject: R,
    outcome: PhantomData<fn() -> O>,
}

impl<K: Hash + Eq + Clone, X> KeyedConcurrencyLimitLayer<K, X> {
    /// Limits to these settings, by the key that a closure reads from a request.
    pub fn new<Req>(config: KeyedConcurrencyLimitConfig, key_of: X) -> Self
    where
        X: Fn(&Req) -> Option<K>,
    {
        Self::sharing(&KeyedConcurrencyLimit::new(config), key_of)
    }

    /// Limits to these settings, by the key that a [`KeyOf`] reads from a request, such as `ClientIp` with
    /// the feature `http`.
    pub fn by<Req>(config: KeyedConcurrencyLimitConfig, key_of: X) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        Self::sharing(&KeyedConcurrencyLimit::new(config), key_of)
    }

    /// Lets everybody pass, until the handle's [`enable`](KeyedConcurrencyLimitHandle::enable). The settings are the defaults
    /// until the handle changes them.
    pub fn disabled<Req>(key_of: X) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        let layer = Self::by(KeyedConcurrencyLimitConfig::default(), key_of);
        layer.limit.disable();
        layer
    }

    /// Takes permits from this limit, which others may take from too.
    pub fn sharing(limit: &KeyedConcurrencyLimit<K>, key_of: X) -> Self {
        Self { limit: limit.clone(), key_of, reject: AsErrorValue, outcome: PhantomData }
    }
}

impl<K: Hash + Eq + Clone, X, R, O> KeyedConcurrencyLimitLayer<K, X, R, O> {
    /// Figures and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> KeyedConcurrencyLimitHandle<K> {
        KeyedConcurrencyLimitHandle::new(self.limit.clone())
    }
}

impl<K, X, R, O> KeyedConcurrencyLimitLayer<K, X, R, O> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> KeyedConcurrencyLimitLayer<K, X, R2, O> {
        let Self { limit, key_of, .. } = self;
        KeyedConcurrencyLimitLayer { limit, key_of, reject, outcome: PhantomData }
    }

    /// Sets how long a response holds its permit: to its head ([`AtHead`](plugin_core::AtHead)), or to the end of its body
    /// ([`AtEnd`](plugin_core::AtEnd)).
    pub fn follow<O2>(self) -> KeyedConcurrencyLimitLayer<K, X, R, O2> {
        let Self { limit, key_of, reject, .. } = self;
        KeyedConcurrencyLimitLayer { limit, key_of, reject, outcome: PhantomData }
    }

    /// As [`ConcurrencyLimitLayer::for_http`](crate::concurrency::ConcurrencyLimitLayer::for_http).
    #[cfg(feature = "http")]
    pub fn for_http(self) -> KeyedConcurrencyLimitLayer<K, X, AsHttpResponse, AtEnd> {
        self.reject_with(AsHttpResponse).follow::<AtEnd>()
    }

    /// As [`ConcurrencyLimitLayer::for_grpc`](crate::concurrency::ConcurrencyLimitLayer::for_grpc).
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> KeyedConcurrencyLimitLayer<K, X, AsGrpcStatus, AtEnd> {
        self.reject_with(AsGrpcStatus).follow::<AtEnd>()
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> KeyedConcurrencyLimitLayer<K, X> {
        self.reject_with(AsErrorValue).follow::<AtHead>()
    }
}

impl<K, X: Clone, R: Clone, O> Clone for KeyedConcurrencyLimitLayer<K, X, R, O> {
    fn clone(&self) -> Self {
        let (key_of, reject) = (self.key_of.clone(), self.reject.clone());
        Self { limit: self.limit.clone(), key_of, reject, outcome: PhantomData }
    }
}

impl<K, X, R, O> fmt::Debug for KeyedConcurrencyLimitLayer<K, X, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedConcurrencyLimitLayer").field("limit", &self.limit).finish_non_exhaustive()
    }
}
