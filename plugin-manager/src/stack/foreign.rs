//! Where a stack ends in code of somebody else.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use plugin_core::{Call, PluginError, Reply, clock::end, deadline::cut};
use tower_service::Service;

/// A plugin that is code, in this process or with a transport of its own.
///
/// It may call a stack of the family itself, and go on after that: what the layers of that stack have left behind is
/// not the end of this call. And one in this process says like any other that it ran out of time, and nobody but the call
/// told it.
#[derive(Clone, Debug)]
pub(crate) struct Foreign<S>(pub(crate) S);

impl<S, Req, Res> Service<Call<Req>> for Foreign<S>
where
    S: Service<Call<Req>, Response = Reply<Res>, Error = PluginError>,
{
    type Response = Reply<Res>;
    type Error = PluginError;
    type Future = ForeignFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Req>) -> Self::Future {
        ForeignFuture { inner: self.0.call(call) }
    }
}

pin_project! {
    /// The future of a plugin that is code.
    pub(crate) struct ForeignFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, Res> Future for ForeignFuture<F>
where
    F: Future<Output = Result<Reply<Res>, PluginError>>,
{
    type Output = Result<Reply<Res>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ended(self.project().inner.poll(cx))
    }
}

/// What such a poll came to.
pub(super) fn ended<Res>(polled: Poll<Result<Reply<Res>, PluginError>>) -> Poll<Result<Reply<Res>, PluginError>> {
    if polled.is_ready() {
        end::forget();
    }
    polled.map_err(cut::out_of_time)
}
