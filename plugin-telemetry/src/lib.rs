#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod counters;
mod describe;
mod future;
mod histogram;
mod layer;
#[cfg(not(all(feature = "http", feature = "grpc")))]
#[doc(hidden)]
pub mod missing;

pub use counters::{Status, TelemetryHandle, TelemetryStats};
pub use describe::{AnyRequest, ByCall, Describe};
pub use future::ResponseFuture;
pub use histogram::{Bucket, bucket_bounds};
pub use layer::{Telemetry, TelemetryLayer};

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;
