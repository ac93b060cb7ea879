//! The body of an answer: a message and what became of the call, or that alone.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use plugin_core::PluginError;

use crate::{
    grpc::{
        rich,
        status::{GrpcStatus, OK},
    },
    net::body::Parts,
};

/// The body of an answer of [`GrpcPluginServer`](super::GrpcPluginServer): a message, and trailers with what became of the call.
pub struct GrpcBody(BodyKind);

enum BodyKind {
    /// A message, until it is given, and the trailers behind it.
    Message { message: Parts, trailers: Option<HeaderMap> },
    /// A status in the head, or a text for who does not speak gRPC.
    Whole(Parts),
    /// Of the services that tonic has.
    Tonic(tonic::body::Body),
}

impl GrpcBody {
    pub(super) fn of_tonic(body: tonic::body::Body) -> Self {
        Self(BodyKind::Tonic(body))
    }
}

/// A message and success.
pub(super) fn message(message: Parts) -> Response<GrpcBody> {
    let mut trailers = HeaderMap::new();
    GrpcStatus { number: OK, ..GrpcStatus::default() }.write(&mut trailers);
    framed(GrpcBody(BodyKind::Message { message, trailers: Some(trailers) }))
}

/// A status alone.
pub(super) fn status(status: &GrpcStatus) -> Response<GrpcBody> {
    let mut response = framed(GrpcBody(BodyKind::Whole(Parts::default())));
    status.write(response.headers_mut());
    response
}

/// The status that tells of an error. A refusal of the plugin's own layers stays what it is for layers around the server.
pub(super) fn error(error: &PluginError) -> Response<GrpcBody> {
    let mut response = status(&rich::status_of(error));
    if let Some(rejected) = error.rejected() {
        response.extensions_mut().insert(*rejected);
    }
    response
}

/// For who does not speak gRPC over HTTP/2: a status of HTTP, and a text.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response<GrpcBody> {
    let mut response = Response::new(GrpcBody(BodyKind::Whole(Parts::from(Bytes::from_static(text.as_bytes())))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn framed(body: GrpcBody) -> Response<GrpcBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

impl Body for GrpcBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let parts = |parts: &mut Parts, cx: &mut Context<'_>| {
            Pin::new(parts).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
        };
        match &mut self.0 {
            BodyKind::Message { message, .. } if !message.is_end_stream() => parts(message, cx),
            BodyKind::Message { trailers, .. } => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            BodyKind::Whole(whole) => parts(whole, cx),
            BodyKind::Tonic(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyKind::Message { trailers, .. } => trailers.is_none(),
            BodyKind::Whole(whole) => whole.is_end_stream(),
            BodyKind::Tonic(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            // Not exact, or it would be announced in the head, which gRPC has no use for.
            BodyKind::Message { .. } => SizeHint::default(),
            BodyKind::Whole(whole) => whole.size_hint(),
            BodyKind::Tonic(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for GrpcBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcBody").finish_non_exhaustive()
    }
}
