//! A limit of its own for every key.

mod config;
mod future;
mod handle;
mod layer;
mod limit;
mod permit;
mod service;
mod settings;
mod state;
mod stats;

pub use config::{KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitConfigBuilder};
pub use future::KeyedConcurrencyLimitFuture;
pub use handle::KeyedConcurrencyLimitHandle;
pub use layer::KeyedConcurrencyLimitLayer;
pub use limit::KeyedConcurrencyLimit;
pub use permit::KeyedPermit;
pub use service::KeyedConcurrencyLimited;
pub use stats::{KeyInFlight, KeyedConcurrencyLimitStats};
