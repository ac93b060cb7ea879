//! On an `axum::Router`, whose error is `Infallible`.

use axum::{Router, routing::get};
use plugin_core::{
    AsHttpResponse, ByHttpStatus, Code, Quota, Rejected,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_telemetry::{Status, TelemetryLayer};
use serde_json::json;
use std::time::Duration;
use tower::ServiceBuilder;

use super::{
    SECOND,
    axum_server::{self, problem, serve},
    ended,
    gate::GateLayer,
};

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/never", get(std::future::pending::<&'static str>))
}

#[tokio::test]
async fn an_open_circuit_is_503_with_retry_after_and_a_problem() {
    let refusal = Rejected::circuit_open(Some(Duration::from_millis(1500)));
    let address = serve(hello().layer(GateLayer::refusing(refusal).reject_with(AsHttpResponse))).await;
    let response = axum_server::get(address, "/").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "2", "whole seconds, never too early");
    assert!(!response.headers().contains_key("ratelimit"));
    let problem = problem(response).await;
    assert_eq!(problem["code"], "CIRCUIT_1401");
    assert_eq!(problem["retryable"], json!(true));
    assert_eq!(problem["retry_after_ms"], json!(1500));
}

#[tokio::test]
async fn a_rate_limit_is_429_and_says_what_it_allows() {
    let quota = Quota { limit: 20, remaining: 0, reset: 2 * SECOND, window: SECOND };
    let refusal = Rejected::rate_limited(Duration::from_micros(250)).with_quota(quota);
    let address = serve(hello().layer(GateLayer::refusing(refusal).reject_with(AsHttpResponse))).await;
    let response = axum_server::get(address, "/").await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["ratelimit"], "\"default\";r=0;t=2");
    assert_eq!(response.headers()["ratelimit-policy"], "\"default\";q=20;w=1");
    assert_eq!(problem(response).await["code"], "RATELIMIT_1501");
}

#[tokio::test]
async fn a_deadline_is_504_and_says_how_long_it_was_and_where_the_time_went() {
    let layers = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_millis(40)).reject_with(AsHttpResponse))
        .layer(AttemptTimeoutLayer::new(60 * SECOND).reject_with(AsHttpResponse));
    let address = serve(hello().layer(layers)).await;
    assert_eq!(axum_server::get(address, "/").await.status(), 200);
    let response = axum_server::get(address, "/never").await;
    assert_eq!(response.status(), 504);
    assert!(!response.headers().contains_key("retry-after"));
    let problem = problem(response).await;
    assert_eq!((&problem["code"], &problem["retryable"]), (&json!("PLUGIN_1204"), &json!(false)));
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("40ms were given") && detail.contains("waiting for the answer"), "{detail}");
}

#[tokio::test]
async fn an_attempt_that_took_too_long_is_504_and_may_be_repeated() {
    let layer = AttemptTimeoutLayer::new(Duration::from_millis(40)).reject_with(AsHttpResponse);
    let address = serve(hello().layer(layer)).await;
    let response = axum_server::get(address, "/never").await;
    assert_eq!(response.status(), 504);
    assert_eq!(problem(response).await["retryable"], json!(true));
}

#[tokio::test]
async fn six_layers_go_straight_onto_a_router_and_keep_its_error() {
    let telemetry = TelemetryLayer::new("site").classify(ByHttpStatus::new());
    let counts = telemetry.handle();
    let app: Router = hello()
        .layer(AttemptTimeoutLayer::new(SECOND).reject_with(AsHttpResponse))
        .layer(GateLayer::open().reject_with(AsHttpResponse))
        .layer(GateLayer::open().reject_with(AsHttpResponse))
        .layer(GateLayer::open().reject_with(AsHttpResponse))
        .layer(DeadlineLayer::new(30 * SECOND).reject_with(AsHttpResponse))
        .layer(telemetry);
    let address = serve(app).await;
    for _ in 0..3 {
        assert_eq!(axum_server::get(address, "/").await.status(), 200);
    }
    assert_eq!(ended(&counts, 3).await.ended(Status::Success), 3, "fifty routes or one, a layer is one set of counts");
}

#[tokio::test]
async fn six_layers_in_one_builder_refuse_from_the_innermost() {
    let refusal = Rejected::unhealthy();
    let telemetry = TelemetryLayer::new("site").classify(ByHttpStatus::new());
    let counts = telemetry.handle();
    let layers = ServiceBuilder::new()
        .layer(telemetry)
        .layer(DeadlineLayer::new(30 * SECOND).reject_with(AsHttpResponse))
        .layer(GateLayer::open().reject_with(AsHttpResponse))
        .layer(GateLayer::open().reject_with(AsHttpResponse))
        .layer(AttemptTimeoutLayer::new(SECOND).reject_with(AsHttpResponse))
        .layer(GateLayer::refusing(refusal).reject_with(AsHttpResponse));
    let address = serve(hello().layer(layers)).await;
    let response = axum_server::get(address, "/").await;
    assert_eq!(response.status(), 503);
    assert_eq!(problem(response).await["code"], "HEALTH_1601");
    let snapshot = ended(&counts, 1).await;
    assert_eq!((snapshot.ended(Status::Refused), snapshot.codes()), (1, &[(Code::Unhealthy, 1)][..]));
}
