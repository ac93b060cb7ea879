//! Hedging: a second attempt beside a slow one.

mod config;
mod future;
mod handle;
mod latency;
mod layer;
mod service;
mod settings;
mod state;

pub use config::{HedgeConfig, HedgeConfigBuilder, HedgeDelay};
pub use future::HedgeFuture;
pub use handle::{HedgeHandle, HedgeStats};
pub use layer::HedgeLayer;
pub use service::Hedge;
