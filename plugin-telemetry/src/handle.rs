//! The handle: reads the counts.

use std::{fmt, sync::Arc, time::Duration};

use super::{Status, TelemetryStats, counters::Counters};
use plugin_core::Code;

/// Reads the counts of a [`TelemetryLayer`](super::TelemetryLayer), and of every service that it made.
///
/// ```
/// use plugin_telemetry::TelemetryLayer;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = TelemetryLayer::new("echo");
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|word: &'static str| async move { Ok::<_, BoxError>(word) }));
///
/// for _ in 0..100 {
///     service.clone().oneshot("hello").await?;
/// }
/// let stats = handle.stats();
/// assert_eq!((stats.total(), stats.active()), (100, 0));
/// assert!(stats.percentile(0.5) <= stats.percentile(0.99)); // of the durations
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TelemetryHandle(pub(super) Arc<Counters>);

impl TelemetryHandle {
    /// The counts since the layer was made. Calls that end meanwhile may or may not be in them.
    #[must_use]
    pub fn stats(&self) -> TelemetryStats {
        self.0.snapshot()
    }

    /// Counts a call that ended before it came to the layer, such as one that was refused at a door, so that what its caller
    /// saw is in the counts too.
    pub fn count(&self, status: Status, code: Option<Code>, took: Duration) {
        self.0.start();
        self.0.end(status, code, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl fmt::Debug for TelemetryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TelemetryHandle").field(&self.stats()).finish()
    }
}
