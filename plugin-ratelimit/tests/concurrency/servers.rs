//! The layer on an axum router and over gRPC: how refusals are answered, and that a body holds its permit to the end.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use plugin_core::Rejected;
use plugin_ratelimit::concurrency::ConcurrencyLimitLayer;
use tokio_test::task;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{config, counts, take};

fn get_request() -> Request<Body> {
    Request::get("/").body(Body::empty()).expect("a request")
}

/// Two frames, and then its end.
struct TwoFrames(u8);

impl http_body::Body for TwoFrames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        Poll::Ready((self.0 <= 2).then(|| Ok(Frame::data(Bytes::from_static(b"frame")))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_held_until_the_body_has_ended_or_is_dropped() {
    let layer = ConcurrencyLimitLayer::new(config(1, 0)).for_http();
    let limit = layer.handle().limit().clone();
    let app: Router = Router::new().route("/", get(|| async { Response::new(Body::new(TwoFrames(0))) })).layer(layer);
    let mut response = app.clone().oneshot(get_request()).await.expect("infallible");
    assert_eq!(counts(&limit), (1, 0), "the head has come, and the body has not");
    let refused = app.clone().oneshot(get_request()).await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    for in_flight in [1, 1, 0] {
        let _frame = task::spawn(http_body_util::BodyExt::frame(response.body_mut())).poll();
        assert_eq!(limit.stats().in_flight, in_flight);
    }
    // Nobody reads this one.
    let response = app.oneshot(get_request()).await.expect("infallible");
    assert_eq!(limit.stats().in_flight, 1);
    drop(response);
    assert_eq!(limit.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_503_that_says_what_it_is_and_names_no_time() {
    let layer = ConcurrencyLimitLayer::new(config(1, 0)).for_http();
    let limit = layer.handle().limit().clone();
    let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let _permit = take(&limit, 1);
    let refused = app.oneshot(get_request()).await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.headers().contains_key("retry-after"));
    assert!(refused.extensions().get::<Rejected>().is_some());
    let body = axum::body::to_bytes(refused.into_body(), 10_000).await.expect("a body");
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains(r#""code":"OVERLOAD_2001""#) && body.contains(r#""retryable":true"#), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_over_grpc_is_resource_exhausted() {
    let layer = ConcurrencyLimitLayer::new(config(1, 0)).for_grpc();
    let _permit = take(layer.handle().limit(), 1);
    let service = layer.layer(service_fn(|_: Request<tonic::body::Body>| async {
        Ok::<_, Infallible>(Response::new(tonic::body::Body::empty()))
    }));
    let request = Request::post("/a.B/C").body(tonic::body::Body::empty()).expect("a request");
    let refused = service.oneshot(request).await.expect("infallible");
    let status = tonic::Status::from_header_map(refused.headers()).expect("a status");
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert!(status.message().contains("OVERLOAD_2001"), "{status:?}");
}
