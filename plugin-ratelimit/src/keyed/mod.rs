//! A token bucket per key.

mod account;
mod bucket;
mod config;
#[cfg(feature = "http")]
mod extract;
mod handle;
mod index;
mod keyless;
mod layer;
mod overflow;
mod own_limits;
mod pace;
mod service;
mod settings;
mod shard;
mod table;
mod usage;

pub use bucket::KeyedTokenBucket;
pub use config::{KeyedRateLimitConfig, KeyedRateLimitConfigBuilder};
#[cfg(all(feature = "http", any(fuzzing, test)))]
pub(crate) use extract::fuzzing;
#[cfg(feature = "http")]
pub use extract::{
    ByExtension, ByHeader, ClientIp, ClientIpConfig, ClientIpConfigBuilder, ForwardedBy, Network, NetworkError, PeerOf,
};
pub use handle::{KeyedRateLimitHandle, KeyedRateLimitStats};
pub use layer::KeyedRateLimitLayer;
pub use service::KeyedRateLimit;
pub use usage::KeyUsage;
