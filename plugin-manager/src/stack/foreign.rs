//! The end of a stack made by a registered factory.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Call, PluginError, Reply,
    clock::end,
    deadline::cut::{self, Line, Place},
    sync::{Lease, Striped},
};
use tower_service::Service;

/// A plugin that is code, in this process or with a transport of its own.
///
/// It may call a stack of the family itself, and go on after that: what the layers of that stack have left behind is
/// not the end of this call. And one in this process says like any other that it ran out of time, and nobody but the call
/// told it. Like every transport it knows whether others are answered while a call waits.
pub struct Foreign<S> {
    service: S,
    line: Striped<Line>,
}

impl<S> Foreign<S> {
    pub(crate) fn new(service: S) -> Self {
        Self { service, line: Striped::new(Line::striped()) }
    }
}

impl<S, Req, Res> Service<Call<Req>> for Foreign<S>
where
    S: Service<Call<Req>, Response = Reply<Res>, Error = PluginError>,
{
    type Response = Reply<Res>;
    type Error = PluginError;
    type Future = ForeignFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Req>) -> Self::Future {
        ForeignFuture { inner: Some(self.service.call(call)), line: self.line.lease(), place: None }
    }
}

impl<S: Clone> Clone for Foreign<S> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), line: self.line.clone() }
    }
}

impl<S: fmt::Debug> fmt::Debug for Foreign<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Foreign").field(&self.service).finish()
    }
}

pin_project! {
    /// The future of a plugin that is code.
    #[must_use = "a future does nothing until it is polled"]
    pub struct ForeignFuture<F> {
        #[pin]
        inner: Option<F>,
        line: Lease<Line>,
        // Once it is seen waiting.
        place: Option<Place>,
    }

    impl<F> PinnedDrop for ForeignFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            if cut::current().is_some() {
                let mut this = this.project();
                let others_answered = has_moved(this.line, *this.place);
                cut::drop_code(others_answered, || this.inner.set(None));
            }
        }
    }
}

/// Whether others were answered while a call waited.
fn has_moved(line: &Line, place: Option<Place>) -> bool {
    place.is_some_and(|place| line.has_moved(place))
}

impl<F, Res> Future for ForeignFuture<F>
where
    F: Future<Output = Result<Reply<Res>, PluginError>>,
{
    type Output = Result<Reply<Res>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // It is there until the end, after which its own poll says that it has ended.
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Pending };
        let polled = inner.poll(cx);
        match &polled {
            Poll::Pending => *this.place = this.place.or_else(|| Some(this.line.join())),
            Poll::Ready(Ok(_)) => this.line.answered(),
            Poll::Ready(Err(_)) => {}
        }
        if polled.is_ready() {
            end::forget();
        }
        polled.map_err(|error| cut::out_of_time(error, has_moved(this.line, *this.place)))
    }
}
