//! The handle: reads the statistics.

use std::{fmt, hash::Hash, sync::Arc};

use super::shared_calls::SharedCalls;

/// Reads the counts of a [`CoalesceLayer`](super::CoalesceLayer).
///
/// ```
/// use std::time::Duration;
///
/// use plugin_fallback::{
///     coalesce::CoalesceLayer,
///     plugin_core::{Call, PluginError},
/// };
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let layer = CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload()));
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|call: Call<u32>| async move {
///     tokio::time::sleep(Duration::from_secs(1)).await;
///     Ok::<_, PluginError>(call.into_payload())
/// }));
///
/// let ask = |article| service.clone().oneshot(Call::new(article));
/// let _ = tokio::join!(ask(7), ask(7), ask(8));
/// let stats = handle.stats();
/// assert_eq!((stats.led, stats.joined, stats.in_flight), (2, 1, 0));
/// # }
/// ```
pub struct CoalesceHandle<K, Res, Err>(pub(super) Arc<SharedCalls<K, Res, Err>>);

impl<K: Hash + Eq, Res, Err> CoalesceHandle<K, Res, Err> {
    /// The statistics.
    #[must_use]
    pub fn stats(&self) -> CoalesceStats {
        CoalesceStats { led: self.0.led.sum(), joined: self.0.joined.sum(), in_flight: self.0.flights.len() }
    }
}

/// The statistics of a [`CoalesceLayer`](super::CoalesceLayer). Calls without a key are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoalesceStats {
    /// Calls that were made, for their caller and for those that joined.
    pub led: u64,
    /// Calls that joined one in flight.
    pub joined: u64,
    /// Keys that a call is in flight for now.
    pub in_flight: usize,
}

impl<K, Res, Err> Clone for CoalesceHandle<K, Res, Err> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, Res, Err> fmt::Debug for CoalesceHandle<K, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoalesceHandle").finish_non_exhaustive()
    }
}
