//! Bodies that tell when they end.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{AtEnd, End, ExpectedBody, Observer, Outcome};

/// A body type that can hold a wrapped body of the same type, as the boxed bodies of axum and tonic can.
#[diagnostic::on_unimplemented(
    message = "a body of type `{Self}` cannot be followed to its end",
    note = "`AtEnd` follows `axum::body::Body` (feature `axum`), `tonic::body::Body` (feature `tonic`) and any body type that implements `plugin_core::FollowBody`",
    note = "put `.map_response(|response| response.map(axum::body::Body::new))` beneath the layer, or judge by the head: leave `.follow::<AtEnd>()` out"
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
    fn follow(response: Response<B>, asked: ExpectedBody, mut observer: Observer) -> Response<B> {
        let left = Left::of(&response, asked);
        if response.body().is_end_stream() || left.is_none() {
            // Nobody polls a body that says it is at its end, or that has no room in the protocol.
            observer.end(End::Complete { trailers: None });
            return response;
        }
        response.map(|inner| B::rebuild(FollowedBody { inner, ending: Ending { left, observer } }))
    }
}

/// What is still to come of a body before it may be dropped as one that was read whole.
///
/// A server that writes HTTP/1.1 drops a body at its declared length and never polls for the end, and so may a reader
/// who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Only the body itself tells its end: it declares no length, or its outcome travels in trailers.
    Unknown,
    Bytes(u64),
}

impl Left {
    fn of<B: Body>(response: &Response<B>, asked: ExpectedBody) -> Self {
        let (headers, status) = (response.headers(), response.status());
        if asked == ExpectedBody::Head || (asked == ExpectedBody::Tunnel && status.is_success()) {
            // Its length, and its trailers, are those of an answer that it stands for.
            return Self::Bytes(0);
        }
        if is_grpc(headers) || headers.contains_key(header::TRAILER) {
            return Self::Unknown;
        }
        if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // No content in any version of HTTP. The length of a 304 is that of the answer which it stands for.
            return Self::Bytes(0);
        }
        // The header is what is kept to, and set from the body's own hint where it is missing.
        let declared = content_length(headers).or_else(|| response.body().size_hint().exact());
        declared.map_or(Self::Unknown, Self::Bytes)
    }

    fn take(&mut self, came: usize) {
        if let Self::Bytes(left) = self {
            *left = left.saturating_sub(u64::try_from(came).unwrap_or(u64::MAX));
        }
    }

    fn is_none(self) -> bool {
        self == Self::Bytes(0)
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    // Digits alone, as the grammar has it: `+5` is no length.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `application/grpc`, alone, with a codec (`+proto`) or with parameters; not `application/grpc-web`, which carries its
/// trailers in the body.
fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

pin_project! {
    /// A body whose end is told to an [`Observer`]; a panic while it is read is an end with an error.
    ///
    /// Dropped before its end, the observer is dropped with it. A body that declared its length (`Content-Length`, or
    /// an exact size hint) and is dropped after that many bytes has come to its end, whether it was polled for it or
    /// not; where a gRPC status or other trailers are announced, only they are the end.
    pub struct FollowedBody<B> {
        #[pin]
        inner: B,
        // After the body, so that what the observer guards is not free while the body still lives.
        ending: Ending,
    }
}

/// Dropped with nothing left to come, the end has been reached.
#[derive(Debug)]
struct Ending {
    left: Left,
    observer: Observer,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.left.is_none() {
            self.observer.end(End::Complete { trailers: None });
        }
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
        let Ending { left, observer } = this.ending;
        let mut unwinding = Unwinding { observer, polling: true };
        let polled = this.inner.as_mut().poll_frame(cx);
        unwinding.polling = false;
        let frame = ready!(polled);
        let observer = &mut *unwinding.observer;
        match &frame {
            None => observer.end(End::Complete { trailers: None }),
            Some(Err(error)) => observer.end(End::Error(error)),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    observer.end(End::Complete { trailers: Some(trailers) });
                } else if this.inner.is_end_stream() {
                    observer.end(End::Complete { trailers: None });
                } else if let Some(data) = frame.data_ref() {
                    left.take(data.remaining());
                }
            }
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
        f.debug_struct("FollowedBody").field("ending", &self.ending).finish_non_exhaustive()
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
