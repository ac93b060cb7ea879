//! The service.

use std::task::{Context, Poll};

use plugin_core::{AsErrorValue, Reject, readiness};
use tower_service::Service;

use crate::{RateLimitHandle, ResponseFuture};

/// The service that [`RateLimitLayer`](crate::RateLimitLayer) makes.
///
/// `poll_ready` is that of the inner service; `call` takes a token or refuses. Dropping the response's future drops the
/// inner call, and does not bring the token back: the request was made.
#[derive(Clone, Debug)]
pub struct RateLimit<S, R = AsErrorValue> {
    inner: S,
    handle: RateLimitHandle,
    reject: R,
}

impl<S, R> RateLimit<S, R> {
    pub(crate) fn new(inner: S, handle: RateLimitHandle, reject: R) -> Self {
        Self { inner, handle, reject }
    }

    /// A reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out, and drops the rest.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Statistics and live settings, shared by everything that the layer made.
    #[must_use]
    pub fn handle(&self) -> RateLimitHandle {
        self.handle.clone()
    }
}

impl<S, R, Req> Service<Req> for RateLimit<S, R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        match self.handle.admit() {
            Ok(()) => ResponseFuture::passed(self.inner.call(request)),
            Err(rejected) => {
                readiness::unused();
                ResponseFuture::refused(rejected, self.reject.clone())
            }
        }
    }
}
