//! Limits that follow what a service can do.

mod algorithm;
mod base;
mod correlation;
mod limit;
mod sample;
mod window;

pub use algorithm::AdaptiveAlgorithm;
pub use limit::{AdaptiveConfig, AdaptiveLimit};
pub use sample::AdaptiveSample;
pub use window::PermitOutcome;
pub(crate) use window::Window;
