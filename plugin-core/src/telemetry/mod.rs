//! One span and exact counts for every call.

mod counters;
mod describe;
mod future;
mod histogram;
mod layer;

pub use counters::{Status, TelemetryHandle, TelemetryStats};
pub use describe::{AnyRequest, ByCall, Describe};
pub use future::ResponseFuture;
pub use histogram::{Bucket, bucket_bounds};
pub use layer::{Telemetry, TelemetryLayer};
