//! What a layer makes of the ends of responses, and of what came with them.
#![cfg(all(feature = "grpc", feature = "axum", not(loom)))]

use std::{convert::Infallible, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use plugin_breaker::{Cancelled, CircuitBreakerConfig, CircuitBreakerLayer, CircuitBreakerStats};
use plugin_core::{
    AsHttpResponse, AtEnd, BoxError, ByHttpStatus, Classify, End, Judgement, Verdict, clock,
    deadline::{DeadlineLayer, cut},
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn layer(on: &[&str]) -> CircuitBreakerLayer {
    let on: Vec<_> = on.iter().map(|name| name.parse().expect("a condition")).collect();
    let config =
        CircuitBreakerConfig::builder().with_failure_threshold(1).with_min_request_threshold(0).with_failures_on(on);
    CircuitBreakerLayer::new(config.with_cancelled(Cancelled::Ignore).build().expect("valid"))
}

/// Successes, failures, what says nothing, and what was dropped.
fn counts(stats: &CircuitBreakerStats) -> [u64; 4] {
    [stats.successes, stats.failures, stats.ignored, stats.cancelled]
}

fn endless() -> Body {
    Body::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, BoxError>>()))
}

/// A gRPC answer that ends with this status, and these milliseconds of a push-back.
fn ending_with(status: u16, push_back: &'static str) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    trailers.insert("grpc-retry-pushback-ms", push_back.parse().expect("a value"));
    let frames = stream::iter([Ok::<_, BoxError>(Frame::trailers(trailers))]);
    Response::builder()
        .header("content-type", "application/grpc")
        .body(Body::new(StreamBody::new(frames)))
        .expect("valid")
}

#[tokio::test(start_paused = true)]
async fn what_a_head_or_trailers_say_of_coming_back_sets_the_open_time() {
    let by_head = layer(&[]);
    let busy = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(
            Response::builder().status(503).header("retry-after", "7").body(Body::empty()).expect("valid"),
        )
    });
    by_head.clone().for_http().layer(busy).oneshot(Request::new(())).await.expect("an answer");
    assert_eq!(by_head.handle().stats().last_open_time, Some(7 * SECOND));

    let by_end = layer(&[]);
    assert_eq!(by_end.handle().stats().last_open_time, None, "it was never open");
    let stack = by_end
        .clone()
        .for_grpc()
        .follow::<AtEnd>()
        .layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(ending_with(14, "9000")) }));
    let response = stack.oneshot(Request::new(())).await.expect("an answer");
    response.into_body().collect().await.expect("it ends");
    assert_eq!(by_end.handle().stats().last_open_time, Some(9 * SECOND));
    by_end.handle().force_closed();
    assert_eq!(by_end.handle().stats().last_open_time, Some(9 * SECOND), "the last one");
}

#[tokio::test(start_paused = true)]
async fn the_list_says_what_a_failure_is_for_what_is_known_at_the_end_too() {
    for (status, expected) in [(0, [1, 0, 0, 0]), (5, [0, 1, 0, 0]), (13, [0, 0, 1, 0])] {
        let layer = layer(&["NOT_FOUND"]);
        let answer = service_fn(move |_: Request<()>| async move { Ok::<_, Infallible>(ending_with(status, "0")) });
        let response = layer
            .clone()
            .for_grpc()
            .follow::<AtEnd>()
            .layer(answer)
            .oneshot(Request::new(()))
            .await
            .expect("an answer");
        response.into_body().collect().await.expect("it ends");
        assert_eq!(counts(&layer.handle().stats()), expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_is_judged_by_its_time_also_where_its_head_came_at_once() {
    for (reads, expected) in [(2 * SECOND, [0, 0, 0, 1]), (3 * SECOND, [0, 1, 0, 0])] {
        let layer = layer(&[]);
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(5 * SECOND).reject_with(AsHttpResponse))
            .layer(layer.clone().for_http().classify(ByHttpStatus::new().until_end_of_body()).follow::<AtEnd>())
            .service(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(endless())) }));
        let start = clock::now();
        let response = stack.oneshot(Request::new(())).await.expect("an answer");
        tokio::time::advance(reads).await;
        let _ = cut::drop_under(cut::Cut::new(start, clock::now(), Some(5 * SECOND)), || drop(response));
        assert_eq!(counts(&layer.handle().stats()), expected, "{reads:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_has_no_end_to_wait_for() {
    let layer = layer(&[]);
    let stack = ServiceBuilder::new()
        .layer(layer.clone().classify(|_: Result<&Response<Body>, &BoxError>| Verdict::AtEnd).follow::<AtEnd>())
        .service(service_fn(|_: Request<()>| async { Err::<Response<Body>, BoxError>("failed".into()) }));
    stack.oneshot(Request::new(())).await.expect_err("as it was told");
    assert_eq!(counts(&layer.handle().stats()), [0, 0, 1, 0]);
}

/// Waits for the end of every response, and panics then.
#[derive(Clone)]
struct PanicsAtTheEnd;

impl Classify<Response<Body>, Infallible> for PanicsAtTheEnd {
    fn classify(&self, _: Result<&Response<Body>, &Infallible>) -> Judgement {
        Judgement::at_end()
    }

    fn classify_end(&self, _: End<'_>) -> Judgement {
        panic!("as it was told")
    }
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_panics_at_the_end_has_failed_the_call() {
    let layer = layer(&[]);
    let stack = layer
        .clone()
        .classify(PanicsAtTheEnd)
        .follow::<AtEnd>()
        .reject_with(AsHttpResponse)
        .layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(ending_with(0, "0")) }));
    let response = stack.oneshot(Request::new(())).await.expect("an answer");
    let read = std::panic::AssertUnwindSafe(response.into_body().into_data_stream().count()).catch_unwind().await;
    assert!(read.is_err(), "the panic reaches the reader");
    assert_eq!(counts(&layer.handle().stats()), [0, 1, 0, 0]);
}
