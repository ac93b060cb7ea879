//! The smallest layer of the family's shape: it keeps the error type of what it wraps, and asks a `Reject` for the
//! answer when it refuses.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use plugin_core::{AsErrorValue, Reject, Rejected};
use tower::{Layer, Service};

/// Refuses every request, or lets every request through.
#[derive(Clone, Debug)]
pub(crate) struct GateLayer<R = AsErrorValue> {
    refusal: Option<Rejected>,
    reject: R,
}

impl GateLayer {
    pub(crate) fn open() -> Self {
        Self { refusal: None, reject: AsErrorValue }
    }

    pub(crate) fn refusing(refusal: Rejected) -> Self {
        Self { refusal: Some(refusal), reject: AsErrorValue }
    }

    pub(crate) fn reject_with<R>(self, reject: R) -> GateLayer<R> {
        GateLayer { refusal: self.refusal, reject }
    }
}

impl<S, R: Clone> Layer<S> for GateLayer<R> {
    type Service = Gate<S, R>;

    fn layer(&self, inner: S) -> Gate<S, R> {
        Gate { inner, refusal: self.refusal, reject: self.reject.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Gate<S, R> {
    inner: S,
    refusal: Option<Rejected>,
    reject: R,
}

impl<S, R, Req> Service<Req> for Gate<S, R>
where
    S: Service<Req>,
    R: Reject<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<S::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        match self.refusal {
            Some(refusal) => Either::Left(ready(self.reject.reject(refusal))),
            None => Either::Right(self.inner.call(request)),
        }
    }
}
