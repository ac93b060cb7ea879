//! The layer that asks a rate limit service.

mod answer;
mod ask;
mod config;
mod handle;
mod layer;
mod question;
mod service;
mod settings;
mod warning;

pub use config::{EnvoyOnFailure, EnvoyRateLimitConfig, EnvoyRateLimitConfigBuilder};
pub use handle::{EnvoyRateLimitHandle, EnvoyRateLimitStats};
pub use layer::EnvoyRateLimitLayer;
pub use question::{EnvoyDescriptor, EnvoyQuestion};
pub use service::EnvoyRateLimit;
