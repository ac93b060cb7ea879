//! The layer on an axum router, whose error is `Infallible`, and on a tonic server.
#![cfg(all(feature = "http", feature = "grpc"))]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use http::{HeaderValue, Request, Response, StatusCode};
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
use tonic::server::NamedService;
use tower::{Layer, Service, ServiceExt};

fn one_per_minute() -> RateLimitLayer {
    RateLimitLayer::new(
        RateLimitConfig::builder().with_requests_per_second(1.0 / 60.0).with_burst_size(1).build().expect("valid"),
    )
}

#[tokio::test(start_paused = true)]
async fn all_routes_of_a_router_share_one_limit_and_a_refusal_is_a_429() {
    let app = Router::new()
        .route("/a", get(|| async { "a" }))
        .route("/b", get(|| async { "b" }))
        .layer(one_per_minute().for_http());
    let get = |path: &str| app.clone().oneshot(Request::get(path).body(Body::empty()).expect("a request"));
    assert_eq!(get("/a").await.expect("infallible").status(), StatusCode::OK);
    let refused: Response<Body> = get("/b").await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "60");
    assert_eq!(refused.headers()["ratelimit-policy"], "\"default\";q=1;w=60");
    assert_eq!(refused.headers()["ratelimit"], "\"default\";r=0;t=60");
    let body = axum::body::to_bytes(refused.into_body(), 10_000).await.expect("a body");
    assert!(String::from_utf8_lossy(&body).contains(r#""code":"RATELIMIT_1501""#), "{body:?}");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(get("/b").await.expect("infallible").status(), StatusCode::OK);
}

/// The limit that the page shows.
fn of_the_page() -> RateLimitLayer {
    let config = RateLimitConfig::builder().with_requests_per_second(50.0).with_burst_size(100).build();
    let limit = RateLimitLayer::new(config.expect("valid"));
    limit.handle().bucket().try_acquire(100).expect("it starts full");
    limit
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_a_client_of_a_router_is_answered() {
    let app = Router::new().route("/", get(|| async { "hello" })).layer(of_the_page().for_http());
    let refused = app.oneshot(Request::get("/").body(Body::empty()).expect("a request")).await.expect("infallible");
    let mut seen = format!("{:?} {}\n", refused.version(), refused.status());
    for (name, value) in refused.headers() {
        seen += &format!("{name}: {}\n", value.to_str().expect("text"));
    }
    let body = axum::body::to_bytes(refused.into_body(), 10_000).await.expect("a body");
    // The page has a line end in it, and JSON does not mind.
    let body = String::from_utf8_lossy(&body).replace(",\"detail\"", ",\n \"detail\"");
    seen += &format!("\n{body}\n");
    assert!(include_str!("../README.md").contains(&seen), "the page does not have this:\n{seen}");
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_a_client_of_grpc_is_answered() {
    let refused = of_the_page()
        .for_grpc()
        .layer(Echo)
        .oneshot(Request::post("/test.Echo/Say").body(tonic::body::Body::empty()).expect("a request"))
        .await
        .expect("infallible");
    let status = tonic::Status::from_header_map(refused.headers()).expect("a status");
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    let details = String::from_utf8_lossy(status.details());
    assert!(details.contains("google.rpc.RetryInfo"), "{details:?}");
    for name in ["grpc-status", "grpc-retry-pushback-ms"] {
        let seen = format!("\n{name}: {} ", refused.headers()[name].to_str().expect("text"));
        assert!(include_str!("../README.md").contains(&seen), "the page does not have this: {seen}");
    }
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<tonic::body::Body>> for Echo {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<tonic::body::Body>) -> Self::Future {
        let mut response = Response::new(tonic::body::Body::empty());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
        ready(Ok(response))
    }
}

#[tokio::test]
async fn a_grpc_client_is_told_that_the_resource_is_exhausted_and_when_to_come_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(
        tonic::transport::Server::builder()
            .layer(one_per_minute().for_grpc())
            .add_service(Echo)
            .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)),
    );
    let scenario = async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let mut channel = endpoint.connect().await.expect("it listens");
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let request = Request::post(format!("http://{address}/test.Echo/Say"))
                .header("content-type", "application/grpc")
                .body(tonic::body::Body::empty())
                .expect("a request");
            let response = channel.ready().await.expect("connected").call(request).await.expect("an answer");
            let pushback = response.headers().get("grpc-retry-pushback-ms").cloned();
            statuses.push((tonic::Status::from_header_map(response.headers()).expect("a status"), pushback));
        }
        statuses
    };
    let statuses = tokio::time::timeout(Duration::from_secs(30), scenario).await.expect("in time");
    server.abort();
    assert_eq!(statuses[0].0.code(), tonic::Code::Ok);
    assert_eq!(statuses[1].0.code(), tonic::Code::ResourceExhausted);
    assert!(!statuses[1].0.details().is_empty(), "RetryInfo");
    let pushback: u64 = statuses[1].1.as_ref().and_then(|ms| ms.to_str().ok()?.parse().ok()).expect("milliseconds");
    assert!((1..=60_000).contains(&pushback), "{pushback}");
}
