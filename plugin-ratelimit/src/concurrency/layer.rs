//! The layer.

use std::{fmt, marker::PhantomData};

use plugin_core::{AsErrorValue, AtHead, ByErrorType};
#[cfg(feature = "grpc")]
use plugin_core::{AsGrpcStatus, ByGrpcStatus};
#[cfg(feature = "http")]
use plugin_core::{AsHttpResponse, AtEnd, ByHttpStatus};

use super::{ByCallPriority, ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitHandle, SamePriority};

/// Lets so many requests be in flight at once as a [`ConcurrencyLimit`] allows. Others wait in line, or are refused.
///
/// Every service that this layer makes, and every clone of it, is under the same limit. A permit is taken in `call` or in the
/// future that it returns, never in `poll_ready`: a service that was found ready and is then dropped holds none. A request
/// holds its permit until the response is there; with [`follow`](Self::follow) and in the presets for HTTP and gRPC until
/// the body of the response has ended; or until its future, or that body, is dropped.
///
/// Four parameters are set by methods: `C` judges outcomes, for a limit that is adaptive ([`ByErrorType`] by default), `P` reads
/// how important a request is ([`SamePriority`]), `R` answers refusals ([`AsErrorValue`]), and `O` says how long a permit is held
/// ([`AtHead`]).
///
/// ```
/// use plugin_ratelimit::concurrency::{ConcurrencyLimitConfig, ConcurrencyLimitLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let config = ConcurrencyLimitConfig::builder().with_max(1).with_queue(0).build()?;
/// let layer = ConcurrencyLimitLayer::new(config);
/// let handle = layer.handle();
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(|(): ()| async { Ok::<_, BoxError>("hello") }));
///
/// let permit = handle.limit().try_acquire()?; // as another call in flight would
/// let refused = service.clone().oneshot(()).await.expect_err("one may be in flight, and none may wait");
/// assert!(refused.to_string().contains("OVERLOAD_2001"), "{refused}");
/// drop(permit);
/// assert_eq!(service.oneshot(()).await?, "hello");
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct ConcurrencyLimitLayer<C = ByErrorType, P = SamePriority, R = AsErrorValue, O = AtHead> {
    pub(super) limit: ConcurrencyLimit,
    pub(super) classify: C,
    pub(super) priority: P,
    pub(super) reject: R,
    outcome: PhantomData<fn() -> O>,
}

impl ConcurrencyLimitLayer {
    /// Limits to these settings, with a limit of its own.
    pub fn new(config: ConcurrencyLimitConfig) -> Self {
        Self::sharing(&ConcurrencyLimit::new(config))
    }

    /// Lets everybody pass, until the handle's [`enable`](ConcurrencyLimitHandle::enable). The settings are the defaults until
    /// the handle changes them. A call costs a look at the limit, and is not counted.
    pub fn disabled() -> Self {
        Self::sharing(&ConcurrencyLimit::disabled())
    }

    /// Takes permits from this limit, which others may take from too.
    pub fn sharing(limit: &ConcurrencyLimit) -> Self {
        Self {
            limit: limit.clone(),
            classify: ByErrorType,
            priority: SamePriority,
            reject: AsErrorValue,
            outcome: PhantomData,
        }
    }
}

impl<C, P, R, O> ConcurrencyLimitLayer<C, P, R, O> {
    /// Sets who judges outcomes, for a limit that is adaptive: a ready-made [`Classify`](plugin_core::Classify) or a closure. A
    /// success shows how long the service takes. An outcome that says that it is too busy, or had its time and did not answer
    /// ([`Judgement::is_overload`](plugin_core::Judgement::is_overload): over HTTP the statuses 429, 503 and 504), makes the
    /// limit smaller; any other says nothing of how busy it is. Default: `ByErrorType`.
    pub fn classify<C2>(self, classify: C2) -> ConcurrencyLimitLayer<C2, P, R, O> {
        let Self { limit, priority, reject, .. } = self;
        ConcurrencyLimitLayer { limit, classify, priority, reject, outcome: PhantomData }
    }

    /// Sets who reads how important a request is: a ready-made [`PriorityOf`](super::PriorityOf) or a closure. Larger is more
    /// important; who is more important is served first, and takes the place in a full line of who is less. Default:
    /// [`SamePriority`].
    pub fn prioritize<P2>(self, priority: P2) -> ConcurrencyLimitLayer<C, P2, R, O> {
        let Self { limit, classify, reject, .. } = self;
        ConcurrencyLimitLayer { limit, classify, priority, reject, outcome: PhantomData }
    }

    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> ConcurrencyLimitLayer<C, P, R2, O> {
        let Self { limit, classify, priority, .. } = self;
        ConcurrencyLimitLayer { limit, classify, priority, reject, outcome: PhantomData }
    }

    /// Sets how long a response holds its permit: to its head ([`AtHead`](plugin_core::AtHead)), or to the end of its body
    /// ([`AtEnd`](plugin_core::AtEnd)). What is measured is the time to the head.
    pub fn follow<O2>(self) -> ConcurrencyLimitLayer<C, P, R, O2> {
        let Self { limit, classify, priority, reject, .. } = self;
        ConcurrencyLimitLayer { limit, classify, priority, reject, outcome: PhantomData }
    }

    /// For HTTP: a permit is held to the end of the body, and a refusal is answered with 503. The body must be one that can be
    /// followed, such as `axum::body::Body` with the feature `axum`; for another one add `.follow::<AtHead>()`.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> ConcurrencyLimitLayer<ByHttpStatus, P, AsHttpResponse, AtEnd> {
        self.classify(ByHttpStatus::new()).reject_with(AsHttpResponse).follow::<AtEnd>()
    }

    /// For gRPC: a permit is held to the end of the stream, and a refusal is answered with `RESOURCE_EXHAUSTED`. The body must
    /// be one that can be followed, such as `tonic::body::Body` with the feature `tonic`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> ConcurrencyLimitLayer<ByGrpcStatus, P, AsGrpcStatus, AtEnd> {
        self.classify(ByGrpcStatus).reject_with(AsGrpcStatus).follow::<AtEnd>()
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a call is as important as its context says, which is [the caller's word](ByCallPriority), and a refusal is an error.
    pub fn for_calls(self) -> ConcurrencyLimitLayer<ByErrorType, ByCallPriority> {
        self.classify(ByErrorType).prioritize(ByCallPriority).reject_with(AsErrorValue).follow::<AtHead>()
    }

    /// Figures and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> ConcurrencyLimitHandle {
        ConcurrencyLimitHandle::new(self.limit.clone())
    }
}

impl<C: Clone, P: Clone, R: Clone, O> Clone for ConcurrencyLimitLayer<C, P, R, O> {
    fn clone(&self) -> Self {
        Self {
            limit: self.limit.clone(),
            classify: self.classify.clone(),
            priority: self.priority.clone(),
            reject: self.reject.clone(),
            outcome: PhantomData,
        }
    }
}

impl<C, P, R, O> fmt::Debug for ConcurrencyLimitLayer<C, P, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimitLayer").field("limit", &self.limit).finish_non_exhaustive()
    }
}
