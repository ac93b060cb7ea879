#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bucket;
pub mod concurrency;
mod config;
mod decisions;
#[cfg(all(any(feature = "redis", feature = "envoy-rls"), not(loom)))]
mod elsewhere;
#[cfg(all(feature = "envoy-rls", not(loom)))]
pub mod envoy;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod gcra;
mod handle;
mod held;
mod keyed;
mod layer;
mod meter;
#[cfg(not(feature = "grpc"))]
#[doc(hidden)]
pub mod missing;
mod packed_state;
mod places;
mod queue;
mod service;
mod sets;
mod settings;
#[cfg(all(feature = "redis", not(loom)))]
mod shared;
mod sync;
pub mod throttle;
mod top;
mod until_ready;
mod waiting;
mod wake;
mod without_key;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

pub use bucket::TokenBucket;
pub use config::{RateLimitConfig, RateLimitConfigBuilder};
pub use handle::{RateLimitHandle, RateLimitStats};
pub use held::HeldResponseFuture;
#[cfg(feature = "http")]
pub use keyed::{
    ByExtension, ByHeader, ClientIp, ClientIpConfig, ClientIpConfigBuilder, ForwardedBy, Network, NetworkError, PeerOf,
};
pub use keyed::{
    KeyUsage, KeyedRateLimit, KeyedRateLimitConfig, KeyedRateLimitConfigBuilder, KeyedRateLimitHandle,
    KeyedRateLimitLayer, KeyedRateLimitStats, KeyedTokenBucket,
};
pub use layer::RateLimitLayer;
/// The future of [`RateLimit`].
pub use plugin_core::RejectFuture as ResponseFuture;
pub use service::RateLimit;
#[cfg(all(feature = "redis", not(loom)))]
pub use shared::{
    AwayReason, OneKey, RedisConfig, RedisConfigBuilder, RedisStore, SharedBucket, SharedEvent, SharedEvents,
    SharedMode, SharedRateLimit, SharedRateLimitLayer, SharedRateLimitStats, SharedStatus,
};
pub use until_ready::UntilReady;
pub use waiting::{WaitingRateLimit, WaitingRateLimitLayer};
pub use without_key::WithoutKey;
