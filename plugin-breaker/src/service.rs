//! The service.

use std::{
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};

use plugin_core::{AsErrorValue, AtHead, ByErrorType, Classify, Outcome, ResponseBodyRule};
use tower_service::Service;

use crate::{Breaker, Refuse, ResponseFuture};

/// The service that [`CircuitBreakerLayer`](crate::CircuitBreakerLayer) makes.
///
/// It is ready when its inner service is, and decides in `call`: a service that was found ready and is then dropped has
/// taken no probe's place.
pub struct CircuitBreaker<S, C = ByErrorType, R = AsErrorValue, O = AtHead> {
    inner: S,
    breaker: Breaker,
    classify: C,
    reject: R,
    outcome: PhantomData<fn() -> O>,
}

impl<S, C, R, O> CircuitBreaker<S, C, R, O> {
    pub(crate) fn new(inner: S, breaker: Breaker, classify: C, reject: R) -> Self {
        Self { inner, breaker, classify, reject, outcome: PhantomData }
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
}

impl<S, C, R, O, Req> Service<Req> for CircuitBreaker<S, C, R, O>
where
    S: Service<Req>,
    C: Classify<S::Response, S::Error> + Clone + Send + 'static,
    R: Refuse<S::Response, S::Error> + Clone,
    O: Outcome<S::Response> + ResponseBodyRule<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, R, O>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let admission = self.breaker.admit();
        ResponseFuture::call(&mut self.inner, request, admission, self.classify.clone(), self.reject.clone())
    }
}

impl<S: Clone, C: Clone, R: Clone, O> Clone for CircuitBreaker<S, C, R, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.breaker.clone(), self.classify.clone(), self.reject.clone())
    }
}

impl<S: fmt::Debug, C, R, O> fmt::Debug for CircuitBreaker<S, C, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("inner", &self.inner)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}
