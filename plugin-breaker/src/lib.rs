#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod breaker;
mod cells;
mod codes;
pub mod config;
mod event;
mod future;
mod guard;
mod handle;
mod keyed;
mod layer;
mod machine;
mod probes;
#[cfg(all(test, not(loom)))]
mod promises;
mod refusal;
mod service;
mod shared;
mod state;
mod stats;
mod sync;
mod window;

pub use breaker::{Breaker, OwnedPermit, Permit};
pub use codes::FailureCodes;
pub use config::{Cancelled, CircuitBreakerConfig, CircuitBreakerConfigBuilder, Ratio, SlowCalls, Window};
pub use event::{Event, Events, Reason};
pub use future::ResponseFuture;
pub use handle::CircuitBreakerHandle;
pub use keyed::{KeyedBreaker, KeyedBreakerHandle, KeyedBreakerLayer};
pub use layer::CircuitBreakerLayer;
pub use service::CircuitBreaker;
pub use state::CircuitState;
pub use stats::{Stats, WindowStats};
