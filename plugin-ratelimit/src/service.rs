//! The service.

use plugin_core::{
    AsErrorValue, Reject,
    service::{HasHandle, Wrap, Wrapped},
};
use tower_service::Service;

use crate::{RateLimitHandle, RateLimitLayer, ResponseFuture};

/// The service that [`RateLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service; `call` takes a token or refuses. Dropping the response's future drops the
/// inner call, and does not bring the token back: the request was made.
pub type RateLimit<S, R = AsErrorValue> = Wrapped<RateLimitLayer<R>, S>;

impl<S, R, Req> Wrap<S, Req> for RateLimitLayer<R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = ResponseFuture<S::Future, R>;

    #[inline]
    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        ResponseFuture::admit(self.handle.admit(), || inner.call(request), &self.reject)
    }
}

impl<R> HasHandle for RateLimitLayer<R> {
    type Handle = RateLimitHandle;

    fn handle(&self) -> RateLimitHandle {
        self.handle.clone()
    }
}
