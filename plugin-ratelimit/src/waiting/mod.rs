//! A rate limit that holds calls until their tokens are there.

mod layer;
mod service;

pub use layer::WaitingRateLimitLayer;
pub use service::WaitingRateLimit;
