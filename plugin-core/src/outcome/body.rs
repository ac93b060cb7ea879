//! Bodies that tell when they end.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{AtEnd, End, Observer, Outcome};

/// A body type that can hold a wrapped body of the same type, as the boxed bodies of axum and tonic can.
#[diagnostic::on_unimplemented(
    message = "a body of type `{Self}` cannot be followed to its end",
    note = "`AtEnd` follows `axum::body::Body` (feature `axum`), `tonic::body::Body` (feature `tonic`) and any body type that implements `plugin_core::FollowBody`",
    note = "put `.map_response(|response| response.map(axum::body::Body::new))` beneath the layer, or judge by the head: leave `.follow(AtEnd)` out"
)]
pub trait FollowBody: Body + Sized {
    /// Turns a followed body back into this type.
    fn rebuild(followed: FollowedBody<Self>) -> Self;
}

impl<B> Outcome<Response<B>> for AtEnd
where
    B: FollowBody,
    B::Error: Error + 'static,
{
    fn follow(response: Response<B>, mut observer: Observer) -> Response<B> {
        if response.body().is_end_stream() {
            // Nobody polls a body that says it is at its end.
            observer.end(End::Complete { trailers: None });
            return response;
        }
        response.map(|inner| B::rebuild(FollowedBody { inner, observer }))
    }
}

pin_project! {
    /// A body whose end is told to an [`Observer`]; a panic while it is read is an end with an error. Dropped before, the
    /// observer is dropped with it.
    pub struct FollowedBody<B> {
        #[pin]
        inner: B,
        // After the body, so that what the observer guards is not free while the body still lives.
        observer: Observer,
    }
}

impl<B> Body for FollowedBody<B>
where
    B: Body,
    B::Error: Error + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let mut unwinding = Unwinding { observer: this.observer, polling: true };
        let polled = this.inner.as_mut().poll_frame(cx);
        unwinding.polling = false;
        let frame = ready!(polled);
        let observer = &mut *unwinding.observer;
        match &frame {
            None => observer.end(End::Complete { trailers: None }),
            Some(Err(error)) => observer.end(End::Error(error)),
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) => observer.end(End::Complete { trailers: Some(trailers) }),
                None if this.inner.is_end_stream() => observer.end(End::Complete { trailers: None }),
                None => {}
            },
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// On the stack while a body is polled. Dropped under the mark, the body has panicked: its end is an error, where an
/// observer that is only dropped would take its reader for gone.
struct Unwinding<'a> {
    observer: &'a mut Observer,
    polling: bool,
}

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if self.polling {
            self.observer.end(End::Error(&Panicked));
        }
    }
}

#[derive(Debug)]
struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body panicked while it was read")
    }
}

impl Error for Panicked {}

impl<B> fmt::Debug for FollowedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedBody").field("observer", &self.observer).finish_non_exhaustive()
    }
}

#[cfg(feature = "axum")]
impl FollowBody for axum_core::body::Body {
    fn rebuild(followed: FollowedBody<Self>) -> Self {
        Self::new(followed)
    }
}

#[cfg(feature = "tonic")]
impl FollowBody for tonic::body::Body {
    fn rebuild(followed: FollowedBody<Self>) -> Self {
        Self::new(followed)
    }
}
