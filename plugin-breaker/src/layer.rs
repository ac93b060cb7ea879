//! The layer.

use std::{fmt, marker::PhantomData};

use plugin_core::{AsErrorValue, AtHead, ByErrorType};
#[cfg(feature = "grpc")]
use plugin_core::{AsGrpcStatus, AtEnd, ByGrpcStatus};
#[cfg(feature = "http")]
use plugin_core::{AsHttpResponse, ByHttpStatus};

use crate::{Breaker, CircuitBreakerConfig, CircuitBreakerHandle};

/// Stops calling a service that fails, and tries again later.
///
/// The breaker belongs to the layer: every service that it makes, and every clone of the layer, shares it. The crate's
/// page has the behaviour, the defaults, and where it stands in a stack.
///
/// Three parameters are set by methods: `C` judges outcomes ([`ByErrorType`] by default), `R` answers refusals
/// ([`AsErrorValue`]), and `O` says whether an outcome is known with the head of a response or with the end of its body
/// ([`AtHead`]).
///
/// ```
/// use plugin_breaker::{CircuitBreakerLayer, CircuitState};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = CircuitBreakerLayer::default(); // five failures in a row open it for 30 s
/// let handle = layer.handle();
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|(): ()| async { Err::<(), BoxError>("connection refused".into()) }));
///
/// for _ in 0..5 {
///     assert!(service.clone().oneshot(()).await.is_err());
/// }
/// assert_eq!(handle.state(), CircuitState::Open);
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct CircuitBreakerLayer<C = ByErrorType, R = AsErrorValue, O = AtHead> {
    pub(crate) breaker: Breaker,
    pub(crate) classify: C,
    pub(crate) reject: R,
    outcome: PhantomData<fn() -> O>,
}

impl CircuitBreakerLayer {
    /// A breaker with these settings.
    pub fn new(config: CircuitBreakerConfig) -> Self {
        Self::sharing(&Breaker::new(config))
    }

    /// A breaker that lets everything pass and judges nothing, until [`CircuitBreakerHandle::reconfigure`] or
    /// [`CircuitBreakerHandle::force_closed`]. So a stack has the same type whether it has a breaker or not.
    pub fn disabled() -> Self {
        let config = CircuitBreakerConfig::default();
        Self::new(config.to_builder().with_enabled(false).build().unwrap_or(config))
    }

    /// A layer for a breaker that others use too.
    pub fn sharing(breaker: &Breaker) -> Self {
        Self { breaker: breaker.clone(), classify: ByErrorType, reject: AsErrorValue, outcome: PhantomData }
    }
}

impl Default for CircuitBreakerLayer {
    fn default() -> Self {
        Self::new(CircuitBreakerConfig::default())
    }
}

impl<C, R, O> CircuitBreakerLayer<C, R, O> {
    /// Sets what counts as a failure: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default:
    /// `ByErrorType`.
    pub fn classify<C2>(self, classify: C2) -> CircuitBreakerLayer<C2, R, O> {
        CircuitBreakerLayer { breaker: self.breaker, classify, reject: self.reject, outcome: PhantomData }
    }

    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> CircuitBreakerLayer<C, R2, O> {
        CircuitBreakerLayer { breaker: self.breaker, classify: self.classify, reject, outcome: PhantomData }
    }

    /// Follows responses whose classifier waits for the end: `.follow::<AtEnd>()` ([`AtEnd`](plugin_core::AtEnd)). The call
    /// lasts until then: a probe keeps its place, and its time counts as that of a slow call.
    pub fn follow<O2>(self) -> CircuitBreakerLayer<C, R, O2> {
        CircuitBreakerLayer {
            breaker: self.breaker,
            classify: self.classify,
            reject: self.reject,
            outcome: PhantomData,
        }
    }

    /// For HTTP: a status from 500 is a failure, and a refusal is answered with 503 and `Retry-After`.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> CircuitBreakerLayer<ByHttpStatus, AsHttpResponse, O> {
        self.classify(ByHttpStatus::new()).reject_with(AsHttpResponse)
    }

    /// For gRPC: the status decides, also in trailers, and a refusal is answered with `UNAVAILABLE` and `RetryInfo`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> CircuitBreakerLayer<ByGrpcStatus, AsGrpcStatus, AtEnd> {
        self.classify(ByGrpcStatus).reject_with(AsGrpcStatus).follow::<AtEnd>()
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: errors are judged by what they are, and a refusal is an error, as it is by default.
    pub fn for_calls(self) -> CircuitBreakerLayer {
        self.classify(ByErrorType).reject_with(AsErrorValue).follow::<AtHead>()
    }

    /// The handle: reads the state and the statistics, and changes the settings while calls go on.
    pub fn handle(&self) -> CircuitBreakerHandle {
        self.breaker.handle()
    }

    /// The breaker itself, for other users of the same one.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

impl<C: Clone, R: Clone, O> Clone for CircuitBreakerLayer<C, R, O> {
    fn clone(&self) -> Self {
        Self {
            breaker: self.breaker.clone(),
            classify: self.classify.clone(),
            reject: self.reject.clone(),
            outcome: PhantomData,
        }
    }
}

impl<C, R, O> fmt::Debug for CircuitBreakerLayer<C, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerLayer").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}
