//! When the outcome of a call is known: with the head of the response, or at the end of its body.

#[cfg(feature = "http")]
mod body;

use std::{error::Error, fmt};

use http::{HeaderMap, Method};

#[cfg(feature = "http")]
pub use body::{FollowBody, FollowedBody};

/// How a body, or another stream, ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum End<'a> {
    /// It came to its end, perhaps with trailers.
    Complete {
        /// The trailers, where the protocol has them and they came.
        trailers: Option<&'a HeaderMap>,
    },
    /// It broke off with this error.
    Error(&'a (dyn Error + 'static)),
    /// Nobody follows it: this is its head, and how it ends will not be told.
    Unfollowed,
}

/// What waits for the end of a response. Dropped before the end, the response was abandoned by its reader.
pub trait Observe: Send + 'static {
    /// The response has ended. Called at most once.
    fn end(self: Box<Self>, end: End<'_>);
}

impl<F: FnOnce(End<'_>) + Send + 'static> Observe for F {
    fn end(self: Box<Self>, end: End<'_>) {
        (*self)(end);
    }
}

/// One [`Observe`], told at most once.
pub struct Observer(Option<Box<dyn Observe>>);

impl Observer {
    /// Boxes an observer. A layer makes one only for a response that it has to follow.
    #[must_use]
    pub fn new(observe: impl Observe) -> Self {
        Self(Some(Box::new(observe)))
    }

    /// Tells the end; only the first call counts.
    pub fn end(&mut self, end: End<'_>) {
        if let Some(observe) = self.0.take() {
            observe.end(end);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("ended", &self.0.is_none()).finish()
    }
}

/// Follows a response to the moment when its outcome is known.
///
/// A layer that books a response when its head arrives takes a gRPC stream that fails in its trailers for a success.
/// Layers have a type parameter of this kind: [`AtHead`] is the default, [`AtEnd`] wraps the body, once, and only when
/// the classifier answers [`Verdict::AtEnd`](crate::Verdict::AtEnd).
#[diagnostic::on_unimplemented(
    message = "the body of `{Res}` cannot be followed to its end",
    note = "`AtEnd` follows `http::Response<B>` for `axum::body::Body` (feature `axum`), `tonic::body::Body` (feature `tonic`) and any body that implements `plugin_core::FollowBody`"
)]
pub trait Outcome<Res> {
    /// Gives back the response to what was asked; the observer is told its end.
    fn follow(response: Res, asked: ExpectedBody, observer: Observer) -> Res;
}

/// What was asked, as far as it says whether the response has content.
///
/// A response to HEAD may declare the length of a body that it does not have, so that the head alone does not tell where it
/// ends. A layer notes this of the request before it passes it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExpectedBody {
    /// Content, as far as the response has some.
    #[default]
    Content,
    /// The head alone (HEAD).
    Head,
    /// A tunnel (CONNECT). A success has no content.
    Tunnel,
}

/// Tells what a request asks for, where the end of its response is followed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know what a request of type `{Req}` asks for",
    note = "`AtEnd` reads the method of an `http::Request`; implement `plugin_core::ResponseBodyRule` for a request type of your own, or judge by the head: leave `.follow::<AtEnd>()` out"
)]
pub trait ResponseBodyRule<Req> {
    /// What this request asks for.
    fn asked(request: &Req) -> ExpectedBody;
}

/// The head decides, whatever was asked.
impl<Req> ResponseBodyRule<Req> for AtHead {
    #[inline]
    fn asked(_: &Req) -> ExpectedBody {
        ExpectedBody::Content
    }
}

impl<B> ResponseBodyRule<http::Request<B>> for AtEnd {
    #[inline]
    fn asked(request: &http::Request<B>) -> ExpectedBody {
        match *request.method() {
            Method::HEAD => ExpectedBody::Head,
            Method::CONNECT => ExpectedBody::Tunnel,
            _ => ExpectedBody::Content,
        }
    }
}

/// The head decides. A response whose classifier would wait for the end is told as [`End::Unfollowed`] when it arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtHead;

impl<Res> Outcome<Res> for AtHead {
    fn follow(response: Res, _: ExpectedBody, mut observer: Observer) -> Res {
        observer.end(End::Unfollowed);
        response
    }
}

/// The end of the body decides, trailers included.
///
/// That is where the body says it ends, or where it is dropped after as many bytes as it declared (`Content-Length`, or
/// else an exact size hint): a server that writes HTTP/1.1 stops there and never polls for the end. Of a body with a
/// gRPC content type or a `Trailer` header only the trailers are the end, whatever its length. A status that has no
/// content (204, 304) ends at once, and so does the answer to HEAD and a tunnel (CONNECT). Dropped before, the response was abandoned by its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtEnd;
