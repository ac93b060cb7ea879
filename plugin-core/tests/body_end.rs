//! When a followed body counts as read whole: what it declared, what came of it, and what its reader did then.
#![cfg(feature = "axum")]

use std::sync::{Arc, Mutex};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use plugin_core::{AtEnd, End, ExpectedBody, Observer, Outcome, ResponseBodyRule};

/// How an observer heard of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// At its end, with trailers or without.
    Whole {
        trailers: bool,
    },
    Broken,
    /// The observer was dropped: the reader is gone.
    Abandoned,
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Ear {
    fn observer(&self) -> Observer {
        struct Told(Ear, bool);
        impl Drop for Told {
            fn drop(&mut self) {
                if !self.1 {
                    self.0.hear(Heard::Abandoned);
                }
            }
        }
        let mut told = Told(self.clone(), false);
        Observer::new(move |end: End<'_>| {
            told.1 = true;
            told.0.hear(match end {
                End::Complete { trailers } => Heard::Whole { trailers: trailers.is_some() },
                _ => Heard::Broken,
            });
        })
    }

    fn hear(&self, heard: Heard) {
        self.0.lock().expect("no panic").push(heard);
    }

    fn heard(&self) -> Vec<Heard> {
        self.0.lock().expect("no panic").clone()
    }
}

const WHOLE: Heard = Heard::Whole { trailers: false };

/// A body whose size nobody knows but by its header: ten bytes in pieces, and then perhaps more.
fn pieces(then: Vec<Result<Frame<Bytes>, std::io::Error>>) -> Body {
    let pieces = ["abc", "", "defg", "hij"].map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
    Body::new(StreamBody::new(stream::iter(pieces.into_iter().chain(then))))
}

/// Reads so many frames and drops the rest; gives what was heard before the drop and after.
async fn read(response: Response<Body>, frames: usize) -> (Vec<Heard>, Vec<Heard>) {
    read_of(response, ExpectedBody::Content, frames).await
}

async fn read_of(response: Response<Body>, asked: ExpectedBody, frames: usize) -> (Vec<Heard>, Vec<Heard>) {
    let ear = Ear::default();
    let mut body = AtEnd::follow(response, asked, ear.observer()).into_body();
    for _ in 0..frames {
        let _ = body.frame().await;
    }
    let before = ear.heard();
    drop(body);
    (before, ear.heard())
}

fn with(name: header::HeaderName, value: &str, body: Body) -> Response<Body> {
    Response::builder().header(name, value).body(body).expect("a response")
}

fn declared(length: &str, body: Body) -> Response<Body> {
    with(header::CONTENT_LENGTH, length, body)
}

#[tokio::test]
async fn a_body_that_is_dropped_at_its_declared_length_was_read_whole() {
    for (frames, heard) in [(0, Heard::Abandoned), (1, Heard::Abandoned), (3, Heard::Abandoned), (4, WHOLE), (5, WHOLE)]
    {
        let (before, after) = read(declared("10", pieces(vec![])), frames).await;
        assert_eq!(after, [heard], "after {frames} frames");
        assert_eq!(before.len(), usize::from(frames == 5), "the end is told by the body, or when it is dropped");
    }
}

#[tokio::test]
async fn one_byte_less_than_declared_is_abandoned_and_one_more_is_whole() {
    assert_eq!(read(declared("11", pieces(vec![])), 4).await.1, [Heard::Abandoned]);
    assert_eq!(read(declared("9", pieces(vec![])), 4).await.1, [WHOLE], "a server cuts it at what it declared");
    assert_eq!(read(declared("8", pieces(vec![])), 3).await.1, [Heard::Abandoned]);
    assert_eq!(read(declared("11", pieces(vec![])), 5).await.1, [WHOLE], "a body that says it is at its end is");
}

#[tokio::test]
async fn a_body_that_declares_nothing_is_at_its_end_when_it_says_so() {
    assert_eq!(read(Response::new(pieces(vec![])), 4).await.1, [Heard::Abandoned]);
    assert_eq!(read(Response::new(pieces(vec![])), 5).await.1, [WHOLE]);
    for nonsense in ["ten", "-1", "10, 10", "", "99999999999999999999"] {
        assert_eq!(read(declared(nonsense, pieces(vec![])), 4).await.1, [Heard::Abandoned], "{nonsense:?}");
    }
}

/// A body that knows its size and never says that it is at its end.
struct Sized(Option<&'static [u8]>, u64);

impl http_body::Body for Sized {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(Bytes::from_static(bytes)))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.1)
    }
}

#[tokio::test]
async fn an_exact_size_is_a_declaration_and_a_header_comes_before_it() {
    let body = |size| Body::new(Sized(Some(b"0123456789"), size));
    assert_eq!(read(Response::new(body(10)), 0).await.1, [Heard::Abandoned]);
    assert_eq!(read(Response::new(body(10)), 1).await.1, [WHOLE]);
    assert_eq!(read(Response::new(body(11)), 1).await.1, [Heard::Abandoned]);
    assert_eq!(read(declared("12", body(10)), 1).await.1, [Heard::Abandoned]);
    assert_eq!(read(declared("10", body(12)), 1).await.1, [WHOLE]);
}

#[tokio::test]
async fn what_has_no_room_for_a_body_is_at_its_end_at_once() {
    let of = |status: u16| Response::builder().status(status).body(pieces(vec![])).expect("a response");
    for status in [100, 101, 204, 304] {
        assert_eq!(read(of(status), 0).await, (vec![WHOLE], vec![WHOLE]), "{status}");
    }
    for status in [200, 205, 206, 302, 303, 305] {
        assert_eq!(read(of(status), 0).await.1, [Heard::Abandoned], "{status}");
    }
    let mut not_modified = of(304);
    not_modified.headers_mut().insert(header::CONTENT_LENGTH, 10.into());
    assert_eq!(read(not_modified, 0).await.1, [WHOLE], "its length is that of what was not sent");
    assert_eq!(read(declared("0", pieces(vec![])), 0).await, (vec![WHOLE], vec![WHOLE]));
}

#[tokio::test]
async fn what_was_asked_says_whether_a_declared_length_comes() {
    let asked = |method: Method| AtEnd::asked(&Request::builder().method(method).body(()).expect("a request"));
    for (method, is_asked) in [
        (Method::GET, ExpectedBody::Content),
        (Method::POST, ExpectedBody::Content),
        (Method::HEAD, ExpectedBody::Head),
        (Method::CONNECT, ExpectedBody::Tunnel),
    ] {
        assert_eq!(asked(method), is_asked);
    }
    for (asked, status, heard) in [
        (ExpectedBody::Head, 200, WHOLE),
        (ExpectedBody::Head, 404, WHOLE),
        (ExpectedBody::Tunnel, 200, WHOLE),
        (ExpectedBody::Tunnel, 407, Heard::Abandoned),
        (ExpectedBody::Content, 200, Heard::Abandoned),
    ] {
        for kind in ["text/plain", "application/grpc"] {
            let mut response = declared("10", pieces(vec![]));
            *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().expect("a value"));
            assert_eq!(read_of(response, asked, 0).await.1, [heard], "{asked:?}, {status}, {kind}");
        }
    }
}

#[tokio::test]
async fn what_comes_after_the_declared_length_is_still_heard() {
    let trailers = || vec![Ok(Frame::trailers(HeaderMap::new()))];
    assert_eq!(read(declared("10", pieces(trailers())), 5).await.1, [Heard::Whole { trailers: true }]);
    let broken = vec![Err(std::io::Error::other("a checksum that is wrong"))];
    assert_eq!(read(declared("10", pieces(broken)), 5).await.1, [Heard::Broken]);
}

#[tokio::test]
async fn where_the_status_is_in_trailers_a_length_is_not_the_end() {
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc;x=y", "application/grpc ; x=y"] {
        let response = |length: &str, then| {
            let mut response = declared(length, pieces(then));
            response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().expect("a value"));
            response
        };
        assert_eq!(read(response("10", vec![]), 4).await.1, [Heard::Abandoned], "{kind}");
        assert_eq!(read(response("0", vec![]), 0).await.1, [Heard::Abandoned], "{kind}");
        let trailers = vec![Ok(Frame::trailers(HeaderMap::new()))];
        assert_eq!(read(response("10", trailers), 5).await.1, [Heard::Whole { trailers: true }], "{kind}");
    }
    let mut announced = declared("10", pieces(vec![]));
    announced.headers_mut().insert(header::TRAILER, "digest".parse().expect("a value"));
    assert_eq!(read(announced, 4).await.1, [Heard::Abandoned], "trailers are announced");
    for kind in ["application/grpc-web", "application/grpc-web+proto", "application/grpcish", "text/plain"] {
        let mut response = declared("10", pieces(vec![]));
        response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().expect("a value"));
        assert_eq!(read(response, 4).await.1, [WHOLE], "{kind}");
    }
}
