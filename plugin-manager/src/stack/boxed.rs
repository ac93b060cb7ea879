//! A layer that only some stacks have, at no cost for those that do not.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tower::{
    Layer, Service,
    layer::util::Identity,
    util::{Either, option_layer},
};

/// This layer, if there is one. Its calls are in a box: the room of a call is that of the largest stack, and most have none.
pub(super) fn boxed<L>(layer: Option<L>) -> Either<BoxedLayer<L>, Identity> {
    option_layer(layer.map(BoxedLayer))
}

#[derive(Clone, Debug)]
pub(super) struct BoxedLayer<L>(pub(super) L);

/// A service whose calls are in a box.
#[derive(Clone, Debug)]
pub(crate) struct Boxed<S>(S);

impl<S, L: Layer<S>> Layer<S> for BoxedLayer<L> {
    type Service = Boxed<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        Boxed(self.0.layer(inner))
    }
}

impl<S: Service<Req>, Req> Service<Req> for Boxed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        Box::pin(self.0.call(request))
    }
}
