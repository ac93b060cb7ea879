//! A token bucket per key.

mod account;
mod bucket;
mod config;
mod handle;
mod index;
mod layer;
mod overflow;
mod pace;
mod service;
mod settings;
mod shard;
mod table;
mod usage;

pub use bucket::KeyedTokenBucket;
pub use config::{KeyedRateLimitConfig, KeyedRateLimitConfigBuilder, WithoutKey};
pub use handle::{KeyedRateLimitHandle, KeyedRateLimitStats};
pub use layer::KeyedRateLimitLayer;
pub use service::KeyedRateLimit;
pub use usage::KeyUsage;
