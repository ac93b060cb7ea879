//! The layer.

use std::{fmt, marker::PhantomData};

#[cfg(feature = "http")]
use plugin_core::ByHttpStatus;
#[cfg(feature = "grpc")]
use plugin_core::{AtEnd, ByGrpcStatus};
use plugin_core::{AtHead, ByErrorType};

use super::{PassiveHealthConfig, PassiveHealthHandle};
use crate::HealthCheck;

/// Has a health check made at once when calls fail, instead of at its next interval.
///
/// Calls never set the state; they only ask, so that they and checks cannot pull it to and fro. After so many failures in a row
/// the [`HealthCheck`] is made at once, no more often than at a pace. While it is not well afterwards the next check comes after the
/// pace, then after twice as long each time, up to its interval, and so it is found Offline, and found well again, in seconds. A
/// success while checks found it down has one made too. A call that a layer further in refused, or that was cut before the service
/// had its time, is no evidence.
///
/// Put it where a call is one attempt on the service that is checked: inside of retries and of the gate. The layer keeps no check
/// going, and one that was stopped it leaves alone.
///
/// ```
/// use plugin_health::{
///     HealthCheck, HealthConfig, PassiveHealthConfig, PassiveHealthLayer,
///     plugin_core::{HealthState, HealthStatus},
///     probe,
/// };
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let check = HealthCheck::start(HealthConfig::default(), probe(|| async { HealthStatus::unhealthy("no answer") }));
/// let layer = PassiveHealthLayer::sharing(PassiveHealthConfig::default(), &check);
/// let service = layer.layer(service_fn(|(): ()| async { Err::<(), BoxError>("no answer".into()) }));
/// for _ in 0..5 {
///     let _ = service.clone().oneshot(()).await;
/// }
/// assert_eq!(layer.handle().stats().asked, 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct PassiveHealthLayer<C = ByErrorType, O = AtHead> {
    pub(super) handle: PassiveHealthHandle,
    pub(super) classify: C,
    outcome: PhantomData<fn() -> O>,
}

impl PassiveHealthLayer {
    /// Asks for this check, which others may read and ask for too.
    pub fn sharing(config: PassiveHealthConfig, check: &HealthCheck) -> Self {
        Self { handle: PassiveHealthHandle::new(config, check), classify: ByErrorType, outcome: PhantomData }
    }
}

impl<C, O> PassiveHealthLayer<C, O> {
    /// Sets what counts as a failure: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default: `ByErrorType`.
    pub fn classify<C2>(self, classify: C2) -> PassiveHealthLayer<C2, O> {
        PassiveHealthLayer { handle: self.handle, classify, outcome: self.outcome }
    }

    /// Follows a response to this point: [`AtHead`], the default, or the end of its body with `.follow::<AtEnd>()`
    /// ([`AtEnd`](plugin_core::AtEnd)).
    pub fn follow<O2>(self) -> PassiveHealthLayer<C, O2> {
        PassiveHealthLayer { handle: self.handle, classify: self.classify, outcome: PhantomData }
    }

    /// For HTTP: a status from 500 is a failure.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> PassiveHealthLayer<ByHttpStatus, O> {
        self.classify(ByHttpStatus::new())
    }

    /// For gRPC: the status decides, also in trailers.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> PassiveHealthLayer<ByGrpcStatus, AtEnd> {
        self.classify(ByGrpcStatus).follow::<AtEnd>()
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: errors are judged by what they are, as they are by default.
    pub fn for_calls(self) -> PassiveHealthLayer {
        self.classify(ByErrorType).follow::<AtHead>()
    }

    /// Figures and settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> PassiveHealthHandle {
        self.handle.clone()
    }
}

impl<C: Clone, O> Clone for PassiveHealthLayer<C, O> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), classify: self.classify.clone(), outcome: PhantomData }
    }
}

impl<C, O> fmt::Debug for PassiveHealthLayer<C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassiveHealthLayer").field("handle", &self.handle).finish_non_exhaustive()
    }
}
