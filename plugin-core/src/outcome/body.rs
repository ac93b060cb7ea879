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
    /// A body whose end is told to an [`Observer`]. Dropped before, the observer is dropped with it.
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
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            None => this.observer.end(End::Complete { trailers: None }),
            Some(Err(error)) => this.observer.end(End::Error(error)),
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) => this.observer.end(End::Complete { trailers: Some(trailers) }),
                None if this.inner.is_end_stream() => this.observer.end(End::Complete { trailers: None }),
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
