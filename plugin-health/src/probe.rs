//! Probes: what a health check calls to learn how something is.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use plugin_core::{Code, HealthStatus, Probe, clock};

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

/// Makes one check, and says what it came to, how long it took and when it ended.
///
/// A probe that panics is Unhealthy, and so is one that has not answered after this time, when its future is dropped, or that
/// answered later. What a probe says of a check that [could not be made](HealthStatus::not_checked) is passed on. Dropping the
/// future drops the probe's.
///
/// This is what a [`HealthCheck`](crate::HealthCheck) does in each interval; it is for whoever asks without one.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_health::{ask, plugin_core::{HealthState, HealthStatus}, probe};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let status = ask(&probe(|| async { HealthStatus::degraded("the disk is slow") }), Duration::from_secs(1)).await;
/// assert_eq!(status.state, HealthState::Degraded);
/// # }
/// ```
///
/// # Panics
///
/// Outside of a tokio runtime with a timer.
pub async fn ask(probe: &Probe, limit: Duration) -> HealthStatus {
    let started = clock::now();
    let reported = tokio::time::timeout(limit, call(probe)).await.ok();
    HealthStatus::within(limit, reported, started.elapsed()).with_last_check(clock::wall())
}

/// Calls the probe. A panic inside it is a failed check, and does not end the checks.
async fn call(probe: &Probe) -> HealthStatus {
    let panicked = || HealthStatus::unhealthy(format!("the health check panicked ({})", Code::Unhealthy));
    let Ok(mut future) = catch_unwind(AssertUnwindSafe(|| probe())) else { return panicked() };
    // A future that panicked is not polled again, and what it broke inside stays inside.
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(_) => Poll::Ready(panicked()),
    })
    .await
}
