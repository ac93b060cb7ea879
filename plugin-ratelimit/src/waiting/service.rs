//! The service.

use plugin_core::{
    AsErrorValue, Reject, clock,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::WaitingRateLimitLayer;
use crate::{RateLimitHandle, bucket::Acquired, held::HeldResponseFuture};

/// The service that [`WaitingRateLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service. A call that finds its token is passed on in `call`; another waits in the response's
/// future, and a clone of the inner service is called when its turn has come. Dropping the future leaves the line, and a
/// token that it was given meanwhile goes to the next; once the inner service is called, the token does not come back.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let config = RateLimitConfig::builder().with_requests_per_second(10.0).with_burst_size(1).build()?;
/// let layer = RateLimitLayer::new(config).waiting(Duration::from_secs(1));
/// let service = layer.layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
/// let answers = tokio::join!(service.clone().oneshot(1), service.oneshot(2)); // the second after 100 ms
/// assert_eq!((answers.0?, answers.1?), (1, 2));
/// # Ok(())
/// # }
/// ```
pub type WaitingRateLimit<S, R = AsErrorValue> = Wrapped<WaitingRateLimitLayer<R>, S>;

impl<S, R: Clone> Layer<S> for WaitingRateLimitLayer<R> {
    type Service = WaitingRateLimit<S, R>;

    fn layer(&self, inner: S) -> WaitingRateLimit<S, R> {
        WaitingRateLimit::new(self.clone(), inner)
    }
}

impl<S, R, Req> Wrap<S, Req> for WaitingRateLimitLayer<R>
where
    S: Service<Req> + Clone,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = HeldResponseFuture<S, Req, R>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        match self.handle.bucket().acquire(1, clock::now) {
            Ok(acquired) => {
                let _ = self.handle.count(Ok(acquired));
                HeldResponseFuture::passed(service::call(inner, request))
            }
            Err(_) => {
                let (handle, ready) = (self.handle.clone(), self.handle.bucket().until_ready_within(1, self.max_wait));
                let decision = Box::pin(async move { handle.count(ready.await.map(|()| Acquired::Taken)) });
                HeldResponseFuture::held(decision, inner, request, self.reject.clone())
            }
        }
    }
}

impl<R> HasHandle for WaitingRateLimitLayer<R> {
    type Handle = RateLimitHandle;

    fn handle(&self) -> RateLimitHandle {
        self.handle.clone()
    }
}
