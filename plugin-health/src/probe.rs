//! What a check asks.

use std::{future::Future, sync::Arc};

use plugin_core::{HealthStatus, Probe};

/// Makes a probe of a closure that returns a future.
///
/// It is called once for each check, and its future is dropped when it has not answered within the timeout.
///
/// ```
/// use plugin_health::{plugin_core::HealthStatus, probe};
///
/// async fn queue_length() -> usize { 3 }
///
/// let probe = probe(|| async {
///     match queue_length().await {
///         0..1000 => HealthStatus::healthy(),
///         long @ 1000..10_000 => HealthStatus::degraded(format!("{long} jobs are waiting")),
///         long => HealthStatus::unhealthy(format!("{long} jobs are waiting")),
///     }
/// });
/// # drop(probe);
/// ```
pub fn probe<F, Fut>(ask: F) -> Probe
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = HealthStatus> + Send + 'static,
{
    Arc::new(move || Box::pin(ask()))
}
