#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod counters;
mod describe;
mod future;
mod handle;
mod histogram;
mod layer;
#[cfg(not(all(feature = "http", feature = "grpc")))]
#[doc(hidden)]
pub mod missing;
mod service;
mod stats;
mod status;

pub use describe::{AnyRequest, ByCall, Describe};
pub use future::ResponseFuture;
pub use handle::TelemetryHandle;
pub use histogram::{Bucket, bucket_bounds};
pub use layer::TelemetryLayer;
/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;
pub use service::Telemetry;
pub use stats::TelemetryStats;
pub use status::Status;
