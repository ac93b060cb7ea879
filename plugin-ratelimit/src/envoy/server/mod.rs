//! The rate limit service.

mod bounds;
mod buckets;
mod builder;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod limits;
mod rule;
mod service;
mod tree;

pub use builder::EnvoyRateLimitServerBuilder;
pub use rule::EnvoyRule;
pub use service::{EnvoyRateLimitServer, EnvoyServerStats};
