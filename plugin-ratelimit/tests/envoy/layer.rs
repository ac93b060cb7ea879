//! The layer against a real server.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use plugin_ratelimit::{
    envoy::{EnvoyDescriptor, EnvoyQuestion, EnvoyRateLimitLayer, EnvoyRule},
    plugin_core::Code,
};
use tower::{Layer, ServiceExt};

use crate::{
    inner,
    support::{Of, by_user, call, channel, each_user, limit, patient, serve, server, within, without_refill},
};

#[tokio::test]
async fn a_limit_that_a_server_keeps_holds_exactly_for_each_user() {
    let (address, serving) = serve(server([each_user(without_refill(3))]), None).await;
    let layer = EnvoyRateLimitLayer::new(patient().build().expect("valid"), channel(address), by_user);
    let service = layer.layer(inner!());
    for user in ["ann", "bob"] {
        for _ in 0..3 {
            assert_eq!(call(&service, user).await, None, "{user}");
        }
        let rejected = call(&service, user).await.expect("the fourth");
        assert_eq!(rejected.code(), Code::RateLimited);
        let wait = rejected.retry_after().expect("a time");
        assert!(wait > Duration::from_secs(9_000) && wait <= Duration::from_secs(10_000), "{wait:?}");
    }
    assert_eq!(call(&service, "").await, None, "without a descriptor nobody is asked");
    let stats = layer.handle().stats();
    assert_eq!((stats.asked, stats.refused, stats.failed, stats.unasked), (8, 2, 0, 1));
    serving.abort();
}

#[tokio::test]
async fn what_a_request_counts_for_and_each_of_several_descriptors_are_asked_about() {
    let all = EnvoyRule::new("shop", without_refill(5)).with_entry("action", "upload");
    let (address, serving) = serve(server([all, each_user(without_refill(100))]), None).await;
    let question = |_: &Of| {
        let descriptors = vec![EnvoyDescriptor::new([("user", "ann")]), EnvoyDescriptor::new([("action", "upload")])];
        Some(EnvoyQuestion::from(descriptors).with_hits(2))
    };
    let layer = EnvoyRateLimitLayer::new(patient().build().expect("valid"), channel(address), question);
    let service = layer.layer(inner!());
    assert_eq!(call(&service, "x").await, None);
    assert_eq!(call(&service, "x").await, None);
    assert!(call(&service, "x").await.is_some(), "one is left of five");
    serving.abort();
}

#[tokio::test]
async fn a_router_answers_a_refusal_with_429_and_when_to_come_back() {
    let (address, serving) = serve(server([each_user(limit(1.0 / 60.0, 1))]), None).await;
    let by_header = |request: &Request<Body>| {
        Some(EnvoyDescriptor::new([("user", request.headers().get("x-user")?.to_str().ok()?)]))
    };
    let layer = EnvoyRateLimitLayer::new(patient().build().expect("valid"), channel(address), by_header).for_http();
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let ask = || app.clone().oneshot(Request::get("/").header("x-user", "ann").body(Body::empty()).expect("a request"));
    assert_eq!(within(ask()).await.expect("infallible").status(), StatusCode::OK);
    let refused = within(ask()).await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    serving.abort();
}

#[tokio::test]
async fn a_grpc_client_is_told_that_the_resource_is_exhausted() {
    let (address, serving) = serve(server([each_user(without_refill(1))]), None).await;
    let ann = |_: &Request<tonic::body::Body>| Some(EnvoyDescriptor::new([("user", "ann")]));
    let layer = EnvoyRateLimitLayer::new(patient().build().expect("valid"), channel(address), ann).for_grpc();
    // What is behind the layer is any service of gRPC: this server itself, in the process.
    let service = layer.layer(server([]));
    let ask = || service.clone().oneshot(Request::new(tonic::body::Body::empty()));
    let code = |response: http::Response<tonic::body::Body>| {
        tonic::Status::from_header_map(response.headers()).expect("a status").code()
    };
    assert_eq!(code(within(ask()).await.expect("infallible")), tonic::Code::Unimplemented);
    assert_eq!(code(within(ask()).await.expect("infallible")), tonic::Code::ResourceExhausted);
    serving.abort();
}

#[tokio::test]
async fn the_handle_switches_the_limit_off_and_on_and_layers_may_share_it() {
    let layer =
        EnvoyRateLimitLayer::new(patient().build().expect("valid"), server([each_user(without_refill(1))]), by_user);
    let handle = layer.handle();
    let (one, other) = (layer.layer(inner!()), EnvoyRateLimitLayer::sharing(&handle, by_user).layer(inner!()));
    handle.disable();
    assert!(!handle.is_enabled());
    assert_eq!(call(&one, "ann").await, None);
    handle.enable();
    assert_eq!(call(&one, "ann").await, None, "nothing was taken before");
    assert!(call(&other, "ann").await.is_some());
    assert_eq!((handle.stats().asked, handle.stats().refused), (2, 1));
    handle.reconfigure(handle.config().to_builder().with_timeout(Duration::from_secs(1)).build().expect("valid"));
    assert_eq!(layer.handle().config().timeout(), Duration::from_secs(1));
}
