//! The layer that limits one attempt.

use std::{sync::Arc, time::Duration};

use super::handle::AttemptTimeoutHandle;
use crate::{AsErrorValue, clock::nanos, deadline::limit::Limit};

/// Limits one attempt, and watches the request's deadline with the same timer.
///
/// Put it inside a retry. It has one timer, armed when a response is not ready at once, that fires at the earlier of the
/// attempt's limit and the deadline; it needs none while a layer further in has one that fires no later. The refusal says
/// which limit it was, what the attempt was waiting for and how much of the request had been sent: an attempt that took
/// too long may be repeated, a deadline that passed may not.
///
/// Either is evidence against the service when the attempt ran for at least half of the smaller of its own limit and the
/// call's configured timeout ([`cut::is_evidence`](crate::deadline::cut::is_evidence)): a caller in a hurry says nothing of the service.
///
/// ```
/// use std::{future::pending, time::Duration};
///
/// use plugin_core::{
///     Call, Code, PluginError,
///     deadline::{AttemptTimeoutLayer, DeadlineLayer},
/// };
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(DeadlineLayer::new(Duration::from_secs(30)))
///     // A retry stands here, and has time for more than one attempt.
///     .layer(AttemptTimeoutLayer::new(Duration::from_secs(5)))
///     .service(service_fn(|_: Call<()>| pending::<Result<(), PluginError>>()));
///
/// let error = service.oneshot(Call::new(())).await.expect_err("no answer comes");
/// assert_eq!(error.code(), Code::Timeout);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct AttemptTimeoutLayer<R = AsErrorValue> {
    pub(super) limit: Arc<Limit>,
    pub(super) reject: R,
}

impl AttemptTimeoutLayer {
    /// Limits an attempt to this time.
    pub fn new(limit: Duration) -> Self {
        Self { limit: Arc::new(Limit::new(nanos(limit))), reject: AsErrorValue }
    }

    /// Sets no limit of its own, and watches the deadline.
    pub fn disabled() -> Self {
        Self { limit: Arc::new(Limit::new(u64::MAX)), reject: AsErrorValue }
    }
}

impl<R> AttemptTimeoutLayer<R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](crate::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> AttemptTimeoutLayer<R2> {
        AttemptTimeoutLayer { limit: self.limit, reject }
    }

    /// For HTTP: a refusal is answered with 504, and a problem+json body.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> AttemptTimeoutLayer<crate::AsHttpResponse> {
        self.reject_with(crate::AsHttpResponse)
    }

    crate::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: a refusal is answered with `DEADLINE_EXCEEDED`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> AttemptTimeoutLayer<crate::AsGrpcStatus> {
        self.reject_with(crate::AsGrpcStatus)
    }

    crate::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> AttemptTimeoutLayer {
        self.reject_with(AsErrorValue)
    }

    /// Reads and changes the limit of every service that this layer makes.
    pub fn handle(&self) -> AttemptTimeoutHandle {
        AttemptTimeoutHandle(Arc::clone(&self.limit))
    }
}
