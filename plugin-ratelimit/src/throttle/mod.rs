//! Throttling at the caller: who is turned away too often sends less.
//!
//! A service that is overloaded spends a good part of its time on turning calls away. Its callers know that they are turned away,
//! and can refuse a share of their calls themselves, so that the service has time for the others. This is client-side throttling as
//! chapter 21 of "Site Reliability Engineering" (Beyer et al., 2016) has it.

mod config;
mod future;
mod handle;
mod history;
mod layer;
mod service;
mod settings;
mod state;
mod stats;

pub use config::{AdaptiveThrottleConfig, AdaptiveThrottleConfigBuilder};
pub use future::AdaptiveThrottleFuture;
pub use handle::AdaptiveThrottleHandle;
pub use layer::AdaptiveThrottleLayer;
pub use service::AdaptiveThrottle;
pub use stats::AdaptiveThrottleStats;
