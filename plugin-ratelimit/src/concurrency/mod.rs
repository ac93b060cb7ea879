//! A limit on how many calls are in flight at once: as a layer, and by itself.
//!
//! ```
//! use plugin_ratelimit::concurrency::{ConcurrencyLimit, ConcurrencyLimitConfig};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! let limit = ConcurrencyLimit::new(ConcurrencyLimitConfig::default());
//! let permit = limit.acquire().await?; // or `try_acquire`, which never waits
//! // .. the call ..
//! drop(permit);
//! # Ok::<(), plugin_ratelimit::plugin_core::Rejected>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acquire;
mod adaptive;
mod config;
mod future;
mod gate;
mod handle;
mod hold;
mod keyed;
mod layer;
mod levels;
mod limit;
mod line;
mod measure;
mod order;
mod pace;
mod permit;
mod prioritizer;
mod priority_of;
mod queueing;
mod rare;
mod service;
mod settings;
mod state;
mod stats;
mod usage;

pub use acquire::Acquire;
pub use adaptive::{AdaptiveAlgorithm, AdaptiveConfig, AdaptiveLimit, AdaptiveSample, PermitOutcome};
pub use config::{ConcurrencyLimitConfig, ConcurrencyLimitConfigBuilder};
pub use future::ConcurrencyLimitFuture;
pub use handle::ConcurrencyLimitHandle;
pub use hold::HoldPermit;
pub use keyed::{
    KeyInFlight, KeyedConcurrencyLimit, KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitConfigBuilder,
    KeyedConcurrencyLimitFuture, KeyedConcurrencyLimitHandle, KeyedConcurrencyLimitLayer, KeyedConcurrencyLimitStats,
    KeyedConcurrencyLimited, KeyedPermit,
};
pub use layer::ConcurrencyLimitLayer;
pub use limit::ConcurrencyLimit;
pub use order::QueueOrder;
pub use permit::Permit;
pub use prioritizer::Prioritizer;
pub use priority_of::{ByCallPriority, PriorityOf, SamePriority};
pub use service::ConcurrencyLimited;
pub use stats::ConcurrencyLimitStats;
pub use usage::ByUsage;
