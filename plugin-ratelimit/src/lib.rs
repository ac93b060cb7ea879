#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bucket;
mod config;
mod gcra;
mod handle;
mod layer;
mod meter;
#[cfg(not(feature = "grpc"))]
#[doc(hidden)]
pub mod missing;
mod packed_state;
mod queue;
mod service;
mod settings;
#[cfg(all(feature = "redis", not(loom)))]
mod shared;
mod sync;
mod until_ready;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

pub use bucket::TokenBucket;
pub use config::{RateLimitConfig, RateLimitConfigBuilder};
pub use handle::{RateLimitHandle, RateLimitStats};
pub use layer::RateLimitLayer;
/// The future of [`RateLimit`].
pub use plugin_core::RejectFuture as ResponseFuture;
pub use service::RateLimit;
#[cfg(all(feature = "redis", not(loom)))]
pub use shared::{
    AwayReason, OneKey, RedisConfig, RedisConfigBuilder, RedisStore, SharedBucket, SharedEvent, SharedEvents,
    SharedMode, SharedRateLimit, SharedRateLimitLayer, SharedRateLimitStats, SharedResponseFuture, SharedStatus,
};
pub use until_ready::UntilReady;
