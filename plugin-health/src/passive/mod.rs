//! Evidence from traffic: calls that fail, or succeed, have the check made sooner.

mod config;
mod decide;
mod future;
mod handle;
mod layer;
mod service;
mod settings;

pub use config::{PassiveHealthConfig, PassiveHealthConfigBuilder};
pub use future::PassiveHealthFuture;
pub use handle::{PassiveHealthHandle, PassiveHealthStats};
pub use layer::PassiveHealthLayer;
pub use service::PassiveHealth;
