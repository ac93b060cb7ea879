//! The layers on an axum router, whose error is `Infallible`, and on a tonic server.
#![cfg(all(feature = "axum", feature = "tonic", feature = "probe-http"))]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response};
use plugin_core::{
    HealthCell,
    HealthState::{Healthy, Offline},
    HealthStatus,
};
use plugin_health::{
    HealthCheck, HealthConfig, HealthGateConfig, HealthGateLayer, PassiveHealthConfig, PassiveHealthLayer, probe,
};
use tonic::server::NamedService;
use tower::{Service, ServiceExt};

#[tokio::test]
async fn on_an_axum_router_a_refusal_is_a_503() {
    let cell = Arc::new(HealthCell::default());
    let app = axum::Router::new()
        .route("/", axum::routing::get(|| async { "hello" }))
        .layer(HealthGateLayer::sharing(HealthGateConfig::default(), &cell).for_http());
    let get = || app.clone().oneshot(Request::get("/").body(axum::body::Body::empty()).expect("a request"));
    assert_eq!(get().await.expect("infallible").status(), 200);
    cell.set(HealthStatus::new(Offline, "three checks failed"));
    let refused: Response<axum::body::Body> = get().await.expect("infallible");
    assert_eq!(refused.status(), 503);
    let body = axum::body::to_bytes(refused.into_body(), 10_000).await.expect("a body");
    assert!(String::from_utf8_lossy(&body).contains(r#""code":"HEALTH_1601""#), "{body:?}");
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
async fn a_grpc_client_is_told_that_the_service_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let cell = Arc::new(HealthCell::default());
    let server = tokio::spawn(
        tonic::transport::Server::builder()
            .layer(HealthGateLayer::sharing(HealthGateConfig::default(), &cell).for_grpc())
            .add_service(Echo)
            .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)),
    );
    let scenario = async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let mut channel = endpoint.connect().await.expect("it listens");
        let mut codes = Vec::new();
        for state in [Healthy, Offline] {
            cell.set(HealthStatus::new(state, ""));
            let request = Request::post(format!("http://{address}/test.Echo/Say"))
                .header("content-type", "application/grpc")
                .body(tonic::body::Body::empty())
                .expect("a request");
            let response = channel.ready().await.expect("connected").call(request).await.expect("an answer");
            codes.push(tonic::Status::from_header_map(response.headers()).expect("a status").code());
        }
        codes
    };
    let codes = tokio::time::timeout(Duration::from_secs(30), scenario).await.expect("in time");
    server.abort();
    assert_eq!(codes, [tonic::Code::Ok, tonic::Code::Unavailable]);
}

fn passive() -> (HealthCheck, PassiveHealthLayer) {
    let check = HealthCheck::start(HealthConfig::default(), probe(|| async { HealthStatus::healthy() }));
    let config = PassiveHealthConfig::builder().with_failures(2).build().expect("valid");
    let layer = PassiveHealthLayer::sharing(config, &check);
    (check, layer)
}

#[tokio::test]
async fn on_an_axum_router_a_500_is_evidence_and_what_blames_the_caller_is_none() {
    let (_check, layer) = passive();
    let handle = layer.handle();
    let app = axum::Router::new()
        .route("/broken", axum::routing::get(|| async { http::StatusCode::INTERNAL_SERVER_ERROR }))
        .layer(layer.for_http());
    for (path, failures, asked) in
        [("/absent", 0, 0), ("/broken", 1, 0), ("/absent", 0, 0), ("/broken", 1, 0), ("/broken", 0, 1)]
    {
        let request = Request::get(path).body(axum::body::Body::empty()).expect("a request");
        let _answer = app.clone().oneshot(request).await.expect("infallible");
        let stats = handle.stats();
        assert_eq!((stats.failures_in_a_row, stats.asked), (failures, asked), "{path}");
    }
}

#[tokio::test]
async fn a_grpc_stream_that_fails_in_its_trailers_is_evidence_once_it_was_read() {
    use http_body_util::{BodyExt, Full};

    let (_check, layer) = passive();
    let handle = layer.handle();
    let streaming = tower::service_fn(|_: Request<tonic::body::Body>| async {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("14"));
        let body = Full::new(tonic::codegen::Bytes::from_static(&[0; 5])).with_trailers(ready(Some(Ok(trailers))));
        let mut response = Response::new(tonic::body::Body::new(body));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        Ok::<_, Infallible>(response)
    });
    let stack = tower::Layer::layer(&layer.for_grpc(), streaming);
    for asked in [0, 1] {
        let response = stack.clone().oneshot(Request::new(tonic::body::Body::empty())).await.expect("infallible");
        let before = handle.stats();
        assert_eq!((before.failures_in_a_row, before.asked), (if asked == 0 { 0 } else { 1 }, 0), "its end is to come");
        response.into_body().collect().await.expect("a whole body");
        assert_eq!(handle.stats().asked, asked);
    }
}
