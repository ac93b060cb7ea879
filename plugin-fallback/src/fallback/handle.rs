//! The handle: reads the statistics.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Reads how often a [`FallbackLayer`](super::FallbackLayer) was used.
///
/// ```
/// use plugin_fallback::FallbackLayer;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = FallbackLayer::value("a price of yesterday");
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|(): ()| async { Err::<&str, BoxError>("connection refused".into()) }));
///
/// assert_eq!(service.oneshot(()).await?, "a price of yesterday");
/// assert_eq!(handle.stats().used, 1); // of the calls that succeeded, this many did by the fallback
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FallbackHandle(pub(super) Arc<AtomicU64>);

impl FallbackHandle {
    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> FallbackStats {
        // Relaxed: a count by which nothing else is read.
        FallbackStats { used: self.0.load(Ordering::Relaxed) }
    }
}

/// The statistics of a fallback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FallbackStats {
    /// Outcomes that were replaced, or that another service was asked about.
    pub used: u64,
}
