#![doc = include_str!("../README.md")]
#![cfg_attr(all(feature = "axum", feature = "tonic"), doc = "", doc = include_str!("../docs/over-http.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attempts;
mod budget;
mod config;
mod decide;
mod future;
mod handle;
mod hedge;
mod layer;
#[cfg(not(feature = "grpc"))]
#[doc(hidden)]
pub mod missing;
mod replay;
mod service;
mod state;
mod sync;
#[cfg(feature = "tower")]
mod tower_policy;
mod wait_policy;

#[cfg(loom)]
#[doc(hidden)]
pub use budget::model;
pub use budget::{Budget, BudgetConfig, Throttle, ThrottleConfig, Withdrawal};
pub use config::{RetryConfig, RetryConfigBuilder};
pub use decide::GaveUp;
pub use future::RetryFuture;
pub use handle::{RetryHandle, RetryStats};
pub use hedge::{Hedge, HedgeConfig, HedgeConfigBuilder, HedgeDelay, HedgeFuture, HedgeHandle, HedgeLayer, HedgeStats};
pub use layer::RetryLayer;
/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;
pub use plugin_core::{Backoff, Jitter, classify::Condition};
pub use replay::{Attempt, ByRequest, Kept, KeptClone, Limits, Replay, ReplayFn, Unsent};
#[cfg(feature = "http")]
pub use replay::{KeptRequest, Recording, RepeatBody, ReplayBody, ReplayBodyLayer, ReplayError, Replaying};
pub use service::Retry;
#[cfg(feature = "tower")]
pub use tower_policy::TowerPolicy;
