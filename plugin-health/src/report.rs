//! Tells a gRPC server's own health check what a monitor knows.

use std::collections::BTreeMap;

use plugin_core::HealthState;
use tokio::task::AbortHandle;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{HealthMonitor, monitor::View, ready::is_ready};

/// Keeps a reporter told. Dropped, it tells no more, and what was told last stands.
#[derive(Debug)]
#[must_use = "dropped, it tells no more"]
pub struct HealthReport(AbortHandle);

impl Drop for HealthReport {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HealthMonitor {
    /// Tells the standard health check of a tonic server (`grpc.health.v1`) how the checks are: each under its own name as the name
    /// of a service, and all together under the empty name, which stands for the server. It begins with what is known now.
    ///
    /// | state | told |
    /// |---|---|
    /// | Healthy, Degraded, Unhealthy (below the failure limit) | `SERVING` |
    /// | Offline | `NOT_SERVING` |
    /// | Unknown | `UNKNOWN`, which clients take for not serving |
    ///
    /// The server is `SERVING` when none of them is Offline or Unknown. A check that is taken out is a service that is not known any
    /// more. It ends when the guard is dropped, or the monitor is gone, which it does not keep alive, and what was told last stands.
    /// With [`shutdown`](Self::shutdown) the server and all that it has told of are `NOT_SERVING`, and it ends.
    ///
    /// ```
    /// use plugin_health::{HealthMonitor, plugin_core::HealthStatus};
    /// use tonic::transport::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let monitor = HealthMonitor::new();
    /// monitor.update("shop.Orders", HealthStatus::healthy())?;
    /// let (reporter, service) = tonic_health::server::health_reporter();
    /// let report = monitor.report_to(reporter);
    /// let server = Server::builder().add_service(service); // and the services of the program
    /// # drop((server, report));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn report_to(&self, reporter: HealthReporter) -> HealthReport {
        let mut views = self.views().at_once();
        let report = async move {
            let mut reporter = reporter;
            let mut told: BTreeMap<String, ServingStatus> = BTreeMap::new();
            while let Some(view) = views.next().await {
                let now = services(&view, &told);
                for gone in told.keys().filter(|name| !now.contains_key(*name)) {
                    reporter.clear_service_status(gone).await;
                }
                // Who watches a service hears of each time that it is set.
                for (name, status) in now.iter().filter(|(name, status)| told.get(*name) != Some(*status)) {
                    reporter.set_service_status(name, *status).await;
                }
                told = now;
                if view.is_shut_down {
                    return;
                }
            }
        };
        HealthReport(tokio::spawn(report).abort_handle())
    }
}

/// What each service is told to be, and the server, whose name is empty.
fn services(view: &View, told: &BTreeMap<String, ServingStatus>) -> BTreeMap<String, ServingStatus> {
    let states = || view.checks.iter().map(|(name, seen)| (name, seen.status.state));
    if view.is_shut_down {
        // Who watches one is to hear that it ends, and not that nobody knows it.
        let names = states().map(|(name, _)| name).chain(told.keys()).cloned().chain([String::new()]);
        return names.map(|name| (name, ServingStatus::NotServing)).collect();
    }
    // One that is down stands before one of which nothing is known.
    let worst = states().map(|(_, state)| state).filter(|state| !is_ready(*state)).max();
    let mut services: BTreeMap<_, _> = states().map(|(name, state)| (name.clone(), told_of(state))).collect();
    services.insert(String::new(), told_of(worst.unwrap_or(HealthState::Healthy)));
    services
}

fn told_of(state: HealthState) -> ServingStatus {
    match state {
        HealthState::Unknown => ServingStatus::Unknown,
        state if is_ready(state) => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}
