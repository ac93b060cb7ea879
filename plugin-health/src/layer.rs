//! The layer.

use std::sync::Arc;

#[cfg(feature = "grpc")]
use plugin_core::AsGrpcStatus;
#[cfg(feature = "http")]
use plugin_core::AsHttpResponse;
use plugin_core::{AsErrorValue, HealthCell};

use crate::{HealthGateConfig, HealthGateHandle};

/// Refuses requests to what health checks found Offline.
///
/// Healthy and Degraded pass. Unhealthy, which is below the failure limit, and Unknown, before the first check has
/// finished, pass unless told otherwise. The gate reads a [`HealthCell`], so it does not matter who checks: a
/// [`HealthCheck`](crate::HealthCheck), a [`HealthMonitor`](crate::HealthMonitor::cell) or code of your own. Every service that this layer makes, and every clone of it,
/// has the same policies.
///
/// It decides in `call`, so a service that was ready and is not called costs nothing. Calls that are under way are left
/// alone when the state changes.
///
/// ```
/// use std::sync::Arc;
///
/// use plugin_health::{
///     HealthGateConfig, HealthGateLayer,
///     plugin_core::{HealthCell, HealthState, HealthStatus},
/// };
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let cell = Arc::new(HealthCell::default()); // or that of a `HealthCheck`
/// let service = ServiceBuilder::new()
///     .layer(HealthGateLayer::sharing(HealthGateConfig::default(), &cell))
///     .service(service_fn(|(): ()| async { Ok::<_, BoxError>("hello") }));
///
/// assert_eq!(service.clone().oneshot(()).await?, "hello"); // not checked yet: passes
/// cell.set(HealthStatus::new(HealthState::Offline, "connection refused"));
/// let refused = service.oneshot(()).await.expect_err("offline");
/// assert!(refused.to_string().contains("HEALTH_1601"), "{refused}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct HealthGateLayer<R = AsErrorValue> {
    pub(crate) handle: HealthGateHandle,
    pub(crate) reject: R,
}

impl HealthGateLayer {
    /// A gate that reads a cell of its own, which the handle gives out to be written to.
    pub fn new(config: HealthGateConfig) -> Self {
        Self::sharing(config, &Arc::default())
    }

    /// A gate that reads this cell, which a check writes and others read too.
    pub fn sharing(config: HealthGateConfig, cell: &Arc<HealthCell>) -> Self {
        let handle = HealthGateHandle::new(Arc::clone(cell), true);
        handle.reconfigure(config);
        Self { handle, reject: AsErrorValue }
    }

    /// Passes everything through, until the handle's [`enable`](HealthGateHandle::enable). It reads a cell of its own,
    /// which the handle gives out to be written to.
    pub fn disabled() -> Self {
        Self { handle: HealthGateHandle::new(Arc::default(), false), reject: AsErrorValue }
    }
}

impl<R> HealthGateLayer<R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> HealthGateLayer<R2> {
        HealthGateLayer { handle: self.handle, reject }
    }

    /// Answers refusals with status 503 and a problem+json body: for an `axum::Router` and other HTTP services.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> HealthGateLayer<AsHttpResponse> {
        self.reject_with(AsHttpResponse)
    }

    /// Answers refusals with the status `UNAVAILABLE`: for a gRPC server or channel.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> HealthGateLayer<AsGrpcStatus> {
        self.reject_with(AsGrpcStatus)
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> HealthGateLayer {
        self.reject_with(AsErrorValue)
    }

    /// State, statistics and policies of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> HealthGateHandle {
        self.handle.clone()
    }
}
