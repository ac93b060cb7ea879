//! Limits that follow what a service can do.

mod algorithm;
mod base;
mod correlation;
mod limit;
mod outcome;
mod sample;
mod window;

pub use algorithm::AdaptiveAlgorithm;
pub use limit::{AdaptiveConfig, AdaptiveLimit};
pub use outcome::PermitOutcome;
pub use sample::AdaptiveSample;
pub(crate) use window::Window;
