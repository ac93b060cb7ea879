//! The layer that sets and enforces the caller's deadline.

use std::{sync::Arc, time::Duration};

use super::{handle::DeadlineHandle, limit::Limit};
use crate::{AsErrorValue, clock::nanos};

/// Gives every request a deadline and answers when it has passed.
///
/// A request without a deadline gets one, `timeout` after it was received; a request that has an earlier one keeps it,
/// and a later one is cut: a deadline is never extended. When it passes, the inner future is dropped and the refusal
/// (`PLUGIN_1204`) says how long it was and what the call was waiting for. What is dropped hears why ([`cut`](super::cut)),
/// so that a breaker further in counts a service that hangs, and ignores a caller in a hurry. `timeout` itself travels
/// with the request, as the time that the service gives its calls.
///
/// No timer is armed for a response that is ready when first polled, nor while an inner
/// [`AttemptTimeoutLayer`](super::AttemptTimeoutLayer) watches the same deadline. It covers the time until the response
/// arrives, not a body that is read afterwards.
///
/// ```
/// use std::{future::pending, time::Duration};
///
/// use plugin_core::{Call, Code, PluginError, deadline::DeadlineLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(DeadlineLayer::new(Duration::from_secs(30)))
///     .service(service_fn(|_: Call<()>| pending::<Result<(), PluginError>>()));
///
/// let call = Call::new(()).with_timeout(Duration::from_millis(500)); // earlier than the layer's, so it stays
/// let error = service.oneshot(call).await.expect_err("no answer comes");
/// assert_eq!(error.code(), Code::Timeout);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct DeadlineLayer<R = AsErrorValue> {
    pub(super) limit: Arc<Limit>,
    pub(super) reject: R,
}

impl DeadlineLayer {
    /// Limits requests to this time.
    pub fn new(timeout: Duration) -> Self {
        Self { limit: Arc::new(Limit::new(nanos(timeout))), reject: AsErrorValue }
    }

    /// Sets no deadline, and enforces those that requests bring.
    pub fn enforce_only() -> Self {
        Self { limit: Arc::new(Limit::new(u64::MAX)), reject: AsErrorValue }
    }
}

impl<R> DeadlineLayer<R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](crate::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> DeadlineLayer<R2> {
        DeadlineLayer { limit: self.limit, reject }
    }

    /// For HTTP: a refusal is answered with 504, and a problem+json body.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> DeadlineLayer<crate::AsHttpResponse> {
        self.reject_with(crate::AsHttpResponse)
    }

    crate::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: a refusal is answered with `DEADLINE_EXCEEDED`.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> DeadlineLayer<crate::AsGrpcStatus> {
        self.reject_with(crate::AsGrpcStatus)
    }

    crate::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> DeadlineLayer {
        self.reject_with(AsErrorValue)
    }

    /// Reads and changes the limit of every service that this layer makes.
    pub fn handle(&self) -> DeadlineHandle {
        DeadlineHandle(Arc::clone(&self.limit))
    }
}
