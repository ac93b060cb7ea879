//! The layer.

use std::{fmt, hash::Hash, marker::PhantomData, sync::Arc};

use plugin_core::{AsErrorValue, AtHead, ByErrorType, KeyOf};
#[cfg(feature = "grpc")]
use plugin_core::{AsGrpcStatus, AtEnd, ByGrpcStatus};
#[cfg(feature = "http")]
use plugin_core::{AsHttpResponse, ByHttpStatus};

use super::{Breakers, KeyedBreakerHandle};
use crate::CircuitBreakerConfig;

/// A breaker of its own for every key that requests have: a host, a tenant, a plugin.
///
/// The layer owns the breakers; every service that it makes shares them. There are at most as many as the cap says. When
/// it is reached, a new key takes the place of one that was not used lately and whose breaker is closed, or has been
/// open for longer than its open time. Where no such place is found, the call passes without a breaker, and
/// [`KeyedBreakerHandle::stats`] counts it. A request without a key passes likewise and is not counted.
///
/// ```
/// use http::{Request, Response};
/// use plugin_breaker::{CircuitBreakerConfig, KeyedBreakerLayer};
/// use tower::{BoxError, ServiceBuilder, service_fn};
///
/// let layer = KeyedBreakerLayer::new(CircuitBreakerConfig::default(), |request: &Request<()>| {
///     request.uri().host().map(str::to_owned)
/// });
/// let handle = layer.handle();
/// let client = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) }));
/// # let _ = plugin_core::check::<Request<()>, _>(client);
/// assert!(handle.get("example.org").is_none());
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct KeyedBreakerLayer<K, X, C = ByErrorType, R = AsErrorValue, O = AtHead> {
    pub(super) breakers: Arc<Breakers<K>>,
    pub(super) key_of: X,
    pub(super) classify: C,
    pub(super) reject: R,
    outcome: PhantomData<fn() -> O>,
}

impl<K: Hash + Eq + Clone, X> KeyedBreakerLayer<K, X> {
    /// Keys that there is a breaker for, unless [`with_cap`](KeyedBreakerLayer::with_cap) says otherwise.
    pub const DEFAULT_CAP: usize = 10_000;

    /// Breakers with these settings, by the key that a closure reads from a request.
    pub fn new<Req>(config: CircuitBreakerConfig, key_of: X) -> Self
    where
        X: Fn(&Req) -> Option<K>,
    {
        Self::made(config, key_of)
    }

    /// Breakers with these settings, by the key that a [`KeyOf`] reads from a request.
    pub fn by<Req>(config: CircuitBreakerConfig, key_of: X) -> Self
    where
        X: KeyOf<Req, Key = K>,
    {
        Self::made(config, key_of)
    }

    fn made(config: CircuitBreakerConfig, key_of: X) -> Self {
        let breakers = Arc::new(Breakers::new(Arc::new(config), Self::DEFAULT_CAP));
        Self { breakers, key_of, classify: ByErrorType, reject: AsErrorValue, outcome: PhantomData }
    }
}

impl<K: Hash + Eq + Clone, X, C, R, O> KeyedBreakerLayer<K, X, C, R, O> {
    /// Keeps at most this many breakers, and at least one. Handles that were taken before belong to other breakers.
    pub fn with_cap(mut self, cap: usize) -> Self {
        self.breakers = Arc::new(Breakers::new(self.breakers.config(), cap));
        self
    }

    /// The handle: reads the state and the statistics, and changes the settings while calls go on.
    pub fn handle(&self) -> KeyedBreakerHandle<K> {
        KeyedBreakerHandle::new(Arc::clone(&self.breakers))
    }
}

impl<K, X, C, R, O> KeyedBreakerLayer<K, X, C, R, O> {
    /// Sets what counts as a failure: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default:
    /// `ByErrorType`.
    pub fn classify<C2>(self, classify: C2) -> KeyedBreakerLayer<K, X, C2, R, O> {
        KeyedBreakerLayer {
            breakers: self.breakers,
            key_of: self.key_of,
            classify,
            reject: self.reject,
            outcome: PhantomData,
        }
    }

    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> KeyedBreakerLayer<K, X, C, R2, O> {
        KeyedBreakerLayer {
            breakers: self.breakers,
            key_of: self.key_of,
            classify: self.classify,
            reject,
            outcome: PhantomData,
        }
    }

    /// Follows responses whose classifier waits for the end: `.follow::<AtEnd>()`
    /// ([`AtEnd`](plugin_core::AtEnd)).
    pub fn follow<O2>(self) -> KeyedBreakerLayer<K, X, C, R, O2> {
        KeyedBreakerLayer {
            breakers: self.breakers,
            key_of: self.key_of,
            classify: self.classify,
            reject: self.reject,
            outcome: PhantomData,
        }
    }

    /// As [`CircuitBreakerLayer::for_http`](crate::CircuitBreakerLayer::for_http).
    #[cfg(feature = "http")]
    pub fn for_http(self) -> KeyedBreakerLayer<K, X, ByHttpStatus, AsHttpResponse, O> {
        self.classify(ByHttpStatus::new()).reject_with(AsHttpResponse)
    }

    /// As [`CircuitBreakerLayer::for_grpc`](crate::CircuitBreakerLayer::for_grpc).
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> KeyedBreakerLayer<K, X, ByGrpcStatus, AsGrpcStatus, AtEnd> {
        self.classify(ByGrpcStatus).reject_with(AsGrpcStatus).follow::<AtEnd>()
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// As [`CircuitBreakerLayer::for_calls`](crate::CircuitBreakerLayer::for_calls).
    pub fn for_calls(self) -> KeyedBreakerLayer<K, X> {
        self.classify(ByErrorType).reject_with(AsErrorValue).follow::<AtHead>()
    }
}

impl<K, X: Clone, C: Clone, R: Clone, O> Clone for KeyedBreakerLayer<K, X, C, R, O> {
    fn clone(&self) -> Self {
        Self {
            breakers: Arc::clone(&self.breakers),
            key_of: self.key_of.clone(),
            classify: self.classify.clone(),
            reject: self.reject.clone(),
            outcome: PhantomData,
        }
    }
}

impl<K, X, C, R, O> fmt::Debug for KeyedBreakerLayer<K, X, C, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBreakerLayer").field("breakers", &self.breakers).finish_non_exhaustive()
    }
}
