#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod breaker;
mod circuit;
mod config;
#[cfg(all(test, not(loom)))]
mod documented_costs;
mod event;
mod future;
mod guard;
mod handle;
mod keyed;
mod layer;
mod machine;
#[cfg(not(feature = "grpc"))]
#[doc(hidden)]
pub mod missing;
mod probes;
mod published;
mod refusal;
mod refuse;
mod service;
mod short_deadlines;
mod state;
mod stats;
mod success_counters;
mod sync;
mod window;

pub use breaker::{Breaker, OwnedPermit, Permit};
pub use config::{Cancelled, CircuitBreakerConfig, CircuitBreakerConfigBuilder, Ratio, SlowCalls, Window};
pub use event::{Event, Events, Reason};
pub use future::ResponseFuture;
pub use handle::CircuitBreakerHandle;
pub use keyed::{KeyedBreaker, KeyedBreakerHandle, KeyedBreakerLayer, KeyedBreakerStats};
pub use layer::CircuitBreakerLayer;
/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;
/// What the list `on` of the settings consists of.
pub use plugin_core::classify::Condition;
pub use refuse::Refuse;
pub use service::CircuitBreaker;
pub use state::CircuitState;
pub use stats::{CircuitBreakerStats, WindowStats};
