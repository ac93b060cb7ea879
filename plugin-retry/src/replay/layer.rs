//! The layer that makes bodies repeatable.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::ReplayBody;

/// Wraps the body of every request in a [`ReplayBody`], so that a retry layer inside can send it again.
///
/// For services that take any body, such as a hyper client. It costs nothing by itself.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct ReplayBodyLayer;

impl<S> Layer<S> for ReplayBodyLayer {
    type Service = Replaying<S>;

    fn layer(&self, inner: S) -> Replaying<S> {
        Replaying { inner }
    }
}

/// The service that [`ReplayBodyLayer`] makes.
#[derive(Clone, Copy, Debug)]
pub struct Replaying<S> {
    inner: S,
}

impl<S> Replaying<S> {
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

impl<S, B> Service<Request<B>> for Replaying<S>
where
    S: Service<Request<ReplayBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request.map(ReplayBody::new))
    }
}
