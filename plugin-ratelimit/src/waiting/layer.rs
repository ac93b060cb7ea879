//! The layer.

use std::time::Duration;

use plugin_core::AsErrorValue;
#[cfg(feature = "grpc")]
use plugin_core::AsGrpcStatus;
#[cfg(feature = "http")]
use plugin_core::AsHttpResponse;

use crate::{RateLimitHandle, RateLimitLayer};

/// Holds requests that come faster than a [`TokenBucket`](crate::TokenBucket) allows until their tokens are there, and refuses those
/// that would have to wait too long. One request takes one token.
///
/// [`RateLimitLayer::waiting`] makes it. Calls are let through in the order in which they came, and nobody overtakes. How long a
/// call would have to wait is known when it comes, so one that cannot be served within `max_wait`, or within the deadline that
/// a layer further out enforces, is refused at once with `RATELIMIT_1501`; hence the line is never longer than what the rate
/// serves in `max_wait`. Readiness is that of the inner service and takes no token; a call that waits keeps none.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let config = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(1).build()?;
/// let layer = RateLimitLayer::new(config).waiting(Duration::from_millis(1500));
/// let handle = layer.handle();
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(|(): ()| async { Ok::<_, BoxError>("hello") }));
///
/// let calls = [(); 3].map(|()| service.clone().oneshot(()));
/// let [first, second, third] = calls;
/// let (first, second, third) = tokio::join!(first, second, third);
/// assert!(first.is_ok() && second.is_ok()); // the second after a second
/// assert!(third.is_err()); // at once: it would have had to wait two
/// assert_eq!((handle.stats().allowed, handle.stats().refused), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct WaitingRateLimitLayer<R = AsErrorValue> {
    pub(super) handle: RateLimitHandle,
    pub(super) max_wait: Duration,
    pub(super) reject: R,
}

impl<R> RateLimitLayer<R> {
    /// Holds requests until their tokens are there, for this long at most, rather than refuse them at once.
    ///
    /// A service that has nothing to wait for needs no tokio runtime; one whose calls wait does, with a timer.
    pub fn waiting(self, max_wait: Duration) -> WaitingRateLimitLayer<R> {
        WaitingRateLimitLayer { handle: self.handle, max_wait, reject: self.reject }
    }
}

impl<R> WaitingRateLimitLayer<R> {
    /// Sets how a refusal is answered: a ready-made [`Reject`](plugin_core::Reject) or a closure. Default:
    /// `AsErrorValue`.
    pub fn reject_with<R2>(self, reject: R2) -> WaitingRateLimitLayer<R2> {
        WaitingRateLimitLayer { handle: self.handle, max_wait: self.max_wait, reject }
    }

    /// As [`RateLimitLayer::for_http`].
    #[cfg(feature = "http")]
    pub fn for_http(self) -> WaitingRateLimitLayer<AsHttpResponse> {
        self.reject_with(AsHttpResponse)
    }

    /// As [`RateLimitLayer::for_grpc`].
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> WaitingRateLimitLayer<AsGrpcStatus> {
        self.reject_with(AsGrpcStatus)
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a refusal is an error, as it is by default.
    pub fn for_calls(self) -> WaitingRateLimitLayer {
        self.reject_with(AsErrorValue)
    }

    /// The longest that a call waits.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Statistics and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> RateLimitHandle {
        self.handle.clone()
    }
}
