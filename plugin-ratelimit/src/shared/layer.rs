//! The layer.

use std::fmt;

#[cfg(feature = "grpc")]
use plugin_core::AsGrpcStatus;
#[cfg(feature = "http")]
use plugin_core::AsHttpResponse;
use plugin_core::{AsErrorValue, KeyOf};

use super::SharedBucket;
use crate::WithoutKey;

/// Refuses requests that come faster than a [`SharedBucket`] allows, over all instances together. One request takes one token.
///
/// The limit is one for each key that is read from a request (a tenant, a client, a plugin), or with [`OneKey`] one for all
/// requests. A request that has no key takes from a bucket that all such requests share, unless
/// [`with_without_key`](Self::with_without_key) says otherwise. A refusal is `RATELIMIT_1501`, says when to come back, and
/// never reaches the inner service. Readiness is that of the inner service and takes no token.
///
/// ```no_run
/// use http::{Request, Response};
/// use plugin_ratelimit::{RateLimitConfig, RedisConfig, RedisStore, SharedBucket, SharedRateLimitLayer};
/// use tower::{BoxError, ServiceBuilder, service_fn};
///
/// # fn example() -> Result<(), BoxError> {
/// let store = RedisStore::new(RedisConfig::builder("redis://cache.internal:6379").build()?);
/// let bucket = SharedBucket::new(&store, "search", RateLimitConfig::default());
/// let limit = SharedRateLimitLayer::sharing(&bucket, |request: &Request<()>| {
///     request.headers().get("x-tenant")?.to_str().ok().map(str::to_owned)
/// });
/// let service = ServiceBuilder::new()
///     .layer(limit)
///     .service(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) }));
/// # let _ = plugin_core::check::<Request<()>, _>(service);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct SharedRateLimitLayer<X = OneKey, R = AsErrorValue> {
    pub(super) bucket: SharedBucket,
    pub(super) key_of: X,
    pub(super) without_key: WithoutKey,
    pub(super) reject: R,
}

/// The same key for every request, which is empty: one limit over everything.
///
/// ```no_run
/// use plugin_ratelimit::{OneKey, RateLimitConfig, RedisConfig, RedisStore, SharedBucket, SharedRateLimitLayer};
///
/// # fn example() -> Result<(), plugin_ratelimit::plugin_core::ConfigError> {
/// let store = RedisStore::new(RedisConfig::builder("redis://cache.internal:6379").build()?);
/// let bucket = SharedBucket::new(&store, "search", RateLimitConfig::default());
/// let limit = SharedRateLimitLayer::sharing(&bucket, OneKey);
/// # drop(limit);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OneKey;

impl<Req> KeyOf<Req> for OneKey {
    type Key = &'static str;

    fn key(&self, _: &Req) -> Option<&'static str> {
        Some("")
    }
}

impl<X> SharedRateLimitLayer<X> {
    /// Takes from this bucket, which others may take from too, by the key that a closure or a [`KeyOf`] reads from a request. Keys
    /// have settings of their own where the bucket is made so, with [`SharedBucket::with_limits`].
    pub fn sharing(bucket: &SharedBucket, key_of: X) -> Self {
        Self { bucket: bucket.clone(), key_of, without_key: WithoutKey::default(), reject: AsErrorValue }
    }
}

impl<X, R> SharedRateLimitLayer<X, R> {
    /// Sets what becomes of a request that has no key. Default: [`WithoutKey::Shared`], that is the bucket of the empty key,
    /// which all instances share.
    pub fn with_without_key(mut self, without_key: WithoutKey) -> Self {
        self.without_key = without_key;
        self
    }

    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> SharedRateLimitLayer<X, R2> {
        let Self { bucket, key_of, without_key, .. } = self;
        SharedRateLimitLayer { bucket, key_of, without_key, reject }
    }

    /// Answers refusals with status 429, `Retry-After` and the `RateLimit` headers: for an `axum::Router` and other HTTP
    /// services.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> SharedRateLimitLayer<X, AsHttpResponse> {
        self.reject_with(AsHttpResponse)
    }

    /// Answers refusals with the status `RESOURCE_EXHAUSTED` and `RetryInfo`: for a gRPC server or channel.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> SharedRateLimitLayer<X, AsGrpcStatus> {
        self.reject_with(AsGrpcStatus)
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> SharedRateLimitLayer<X> {
        self.reject_with(AsErrorValue)
    }

    /// Statistics and live settings of every service that this layer makes: its bucket.
    #[must_use]
    pub fn handle(&self) -> SharedBucket {
        self.bucket.clone()
    }
}

impl<X, R> fmt::Debug for SharedRateLimitLayer<X, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRateLimitLayer").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
