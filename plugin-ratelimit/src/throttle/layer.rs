//! The layer.

use std::sync::Arc;

use plugin_core::{AsErrorValue, ByErrorType};
#[cfg(feature = "grpc")]
use plugin_core::{AsGrpcStatus, ByGrpcStatus};
#[cfg(feature = "http")]
use plugin_core::{AsHttpResponse, ByHttpStatus};

use super::{AdaptiveThrottleConfig, AdaptiveThrottleHandle, state::ThrottleState};

/// Refuses a share of requests at the caller, when the service turns too many of them away.
///
/// The share is `max(0, (requests - K * accepts) / (requests + 1))` of what has ended and was accepted within the window, where K is
/// the setting `multiplier` and requests that are refused here are requests too. A request counts when it ends, so that a service
/// that is slow and takes everything is sent everything. An outcome that says that the service is too busy, or had its time and did
/// not answer ([`Judgement::is_overload`](plugin_core::Judgement::is_overload)), is not accepted; any other is, also an error, and so
/// is a call whose caller went away. With K 2 about as many requests are turned away by a service that takes some as are accepted,
/// so that it is noticed at once when it has room for more.
///
/// A service that took nothing for a whole window is sent about one request in a window. When it is well again it takes some windows
/// until all are sent to it under constant load: with K 2 a median of 3 where 120 requests fall in a window and of 4.5 where 1200 do,
/// with K 1.5 of 6 and 8. At ten requests a second the default window of two minutes makes that about ten minutes, and one of ten
/// seconds half a minute. The [page of the crate](crate#throttling-at-the-caller) says what to set.
///
/// Every service that this layer makes, and every clone of it, counts together: a layer for each service that is called, not one
/// for all. A refusal is `OVERLOAD_2003`, and decided in `call`. A request that passes takes no lock and allocates nothing; the share
/// is found anew every ten milliseconds.
///
/// ```
/// use plugin_core::Rejected;
/// use plugin_ratelimit::{plugin_core, throttle::AdaptiveThrottleLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let layer = AdaptiveThrottleLayer::default();
/// let full = layer.layer(service_fn(|(): ()| async { Err::<(), _>(Rejected::overloaded()) }));
/// for _ in 0..100 {
///     let _ = full.clone().oneshot(()).await;
/// }
/// # tokio::time::advance(std::time::Duration::from_millis(10)).await;
/// let stats = layer.handle().stats();
/// assert_eq!((stats.requests, stats.accepts), (100, 0));
/// assert!(stats.refused_share > 0.98); // hardly a request is sent any more
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct AdaptiveThrottleLayer<C = ByErrorType, R = AsErrorValue> {
    pub(super) handle: AdaptiveThrottleHandle,
    pub(super) classify: C,
    pub(super) reject: R,
}

impl AdaptiveThrottleLayer {
    /// A throttle with these settings.
    pub fn new(config: AdaptiveThrottleConfig) -> Self {
        Self::sharing(&AdaptiveThrottleHandle(Arc::new(ThrottleState::new(config, true))))
    }

    /// Refuses nothing, until the handle's [`enable`](AdaptiveThrottleHandle::enable). The settings are the defaults until the
    /// handle changes them.
    pub fn disabled() -> Self {
        let config = AdaptiveThrottleConfig::default();
        Self::sharing(&AdaptiveThrottleHandle(Arc::new(ThrottleState::new(config, false))))
    }

    /// Counts together with the layer that this handle is of.
    pub fn sharing(handle: &AdaptiveThrottleHandle) -> Self {
        Self { handle: handle.clone(), classify: ByErrorType, reject: AsErrorValue }
    }
}

impl Default for AdaptiveThrottleLayer {
    fn default() -> Self {
        Self::new(AdaptiveThrottleConfig::default())
    }
}

impl<C, R> AdaptiveThrottleLayer<C, R> {
    /// Sets who judges outcomes: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default: `ByErrorType`.
    pub fn classify<C2>(self, classify: C2) -> AdaptiveThrottleLayer<C2, R> {
        AdaptiveThrottleLayer { handle: self.handle, classify, reject: self.reject }
    }

    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> AdaptiveThrottleLayer<C, R2> {
        AdaptiveThrottleLayer { handle: self.handle, classify: self.classify, reject }
    }

    /// For HTTP: the statuses 429, 503 and 504 are not accepted, and a refusal is answered with 503.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> AdaptiveThrottleLayer<ByHttpStatus, AsHttpResponse> {
        self.classify(ByHttpStatus::new()).reject_with(AsHttpResponse)
    }

    /// For gRPC: `RESOURCE_EXHAUSTED` and `DEADLINE_EXCEEDED` are not accepted where they come in the head, as a status without a
    /// message does; and a refusal is answered with `RESOURCE_EXHAUSTED`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> AdaptiveThrottleLayer<ByGrpcStatus, AsGrpcStatus> {
        self.classify(ByGrpcStatus).reject_with(AsGrpcStatus)
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: errors are judged by what they are, and a refusal is an error, as it is by default.
    pub fn for_calls(self) -> AdaptiveThrottleLayer {
        self.classify(ByErrorType).reject_with(AsErrorValue)
    }

    /// Figures and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> AdaptiveThrottleHandle {
        self.handle.clone()
    }
}
