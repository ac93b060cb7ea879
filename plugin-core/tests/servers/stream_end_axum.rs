//! An HTTP body that breaks off, on an axum server and under an HTTP client.

use std::{convert::Infallible, pin::Pin, sync::Arc};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use plugin_core::{AtEnd, BoxError, BoxErrorLayer, ByHttpStatus};
use plugin_telemetry::{AnyRequest, TelemetryHandle, TelemetryLayer};
use tokio::sync::Notify;
use tower::{ServiceBuilder, ServiceExt};

use super::{
    axum_server::{client, request, serve},
    bounded, ended, tally,
};

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// Two chunks, and then this.
fn chunks(end: Chunks) -> Body {
    Body::from_stream(stream::iter([Ok("one"), Ok("two")]).map(|chunk| chunk.map(Bytes::from)).chain(end))
}

/// What breaks waits for the word, since a broken body overtakes a head that is not sent yet.
fn site(word: &Arc<Notify>) -> Router {
    let after_word = |end: fn() -> Result<Bytes, BoxError>| {
        let word = Arc::clone(word);
        move || async move {
            chunks(
                stream::once(async move {
                    word.notified().await;
                    end()
                })
                .boxed(),
            )
        }
    };
    Router::new()
        .route("/whole", get(|| async { "one piece" }))
        .route("/empty", get(|| async {}))
        .route("/chunks", get(|| async { chunks(stream::empty().boxed()) }))
        .route("/breaks", get(after_word(|| Err("broke off".into()))))
        .route("/panics", get(after_word(|| panic!("as asked"))))
        .route("/hangs", get(|| async { chunks(stream::pending().boxed()) }))
        .route("/fails", get(|| async { http::StatusCode::INTERNAL_SERVER_ERROR }))
}

fn judged_at_the_end() -> (TelemetryLayer<AnyRequest, ByHttpStatus, AtEnd>, TelemetryHandle) {
    let layer = TelemetryLayer::new("site").classify(ByHttpStatus::new().until_end_of_body()).follow::<AtEnd>();
    let counts = layer.handle();
    (layer, counts)
}

/// What a server with the layer and a client with the layer count when the body is read as far as it goes.
async fn both(path: &str) -> ([u64; 5], [u64; 5]) {
    let (server, at_server) = judged_at_the_end();
    let (under_client, at_client) = judged_at_the_end();
    let word = Arc::default();
    let address = serve(site(&word).layer(server)).await;
    let stack = ServiceBuilder::new()
        .layer(under_client)
        .layer(BoxErrorLayer)
        .map_response(|response: http::Response<hyper::body::Incoming>| response.map(Body::new))
        .service(client());
    let response = bounded(stack.oneshot(request(address, path))).await.expect("the head is good");
    word.notify_one();
    // Whether it comes to its end is what is counted.
    let _ = bounded(response.into_body().collect()).await;
    (tally(&ended(&at_server, 1).await), tally(&ended(&at_client, 1).await))
}

#[tokio::test]
async fn a_body_that_comes_to_its_end_is_a_success() {
    for path in ["/whole", "/empty", "/chunks"] {
        assert_eq!(both(path).await, ([1, 0, 0, 0, 0], [1, 0, 0, 0, 0]), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_failure_though_its_head_was_good() {
    assert_eq!(both("/breaks").await, ([0, 1, 0, 0, 0], [0, 1, 0, 0, 0]));
}

#[tokio::test]
async fn a_body_that_panics_is_a_failure() {
    assert_eq!(both("/panics").await, ([0, 1, 0, 0, 0], [0, 1, 0, 0, 0]));
}

#[tokio::test]
async fn a_bad_status_needs_no_body_to_be_a_failure() {
    assert_eq!(both("/fails").await, ([0, 1, 0, 0, 0], [0, 1, 0, 0, 0]));
}

#[tokio::test]
async fn a_reader_that_goes_away_is_counted_as_cancelled() {
    let (layer, at_server) = judged_at_the_end();
    let address = serve(site(&Arc::default()).layer(layer)).await;
    let response = bounded(client().request(request(address, "/hangs"))).await.expect("the head is good");
    assert_eq!(tally(&at_server.stats()), [0, 0, 0, 0, 1], "a call lasts as long as its body");
    drop(response);
    assert_eq!(tally(&ended(&at_server, 1).await), [0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn an_answer_to_head_is_whole_without_its_body() {
    let (layer, at_server) = judged_at_the_end();
    let address = serve(site(&Arc::default()).layer(layer)).await;
    let mut head = request(address, "/whole");
    *head.method_mut() = http::Method::HEAD;
    assert_eq!(bounded(client().request(head)).await.expect("a head").status(), 200);
    assert_eq!(tally(&ended(&at_server, 1).await), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_body_that_nobody_reads_to_its_end_is_cancelled_and_one_that_is_followed_tells_once() {
    let (layer, counts) = judged_at_the_end();
    let answer = tower::service_fn(|_: http::Request<()>| async {
        Ok::<_, Infallible>(http::Response::new(chunks(stream::empty().boxed())))
    });
    let stack = ServiceBuilder::new().layer(layer).service(answer);
    let mut body = stack.clone().oneshot(http::Request::new(())).await.expect("infallible").into_body();
    assert_eq!(body.frame().await.expect("a frame").expect("good").into_data().expect("data"), "one");
    drop(body);
    assert_eq!(tally(&counts.stats()), [0, 0, 0, 1, 0]);
    let mut body = stack.oneshot(http::Request::new(())).await.expect("infallible").into_body();
    while body.frame().await.is_some() {}
    assert!(body.frame().await.is_none(), "asked again after its end");
    drop(body);
    assert_eq!(tally(&counts.stats()), [1, 0, 0, 1, 0]);
}
