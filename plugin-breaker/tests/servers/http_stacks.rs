//! An axum router, whose error is `Infallible`, and a hyper client, whose error is foreign.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_breaker::{CircuitBreakerLayer, CircuitState, KeyedBreakerLayer};
use plugin_core::{AtEnd, BoxErrorLayer, ByHttpStatus, Code, Rejected};
use tower::{ServiceBuilder, ServiceExt};

use super::{bounded, ended};

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn request(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).expect("valid")
}

#[tokio::test]
async fn fifty_routes_under_one_layer_are_one_breaker_and_the_refusal_is_a_response() {
    let layer = CircuitBreakerLayer::default().for_http();
    let handle = layer.handle();
    let mut app = Router::new();
    for route in 0..50 {
        app = app.route(&format!("/{route}"), get(|| async { StatusCode::INTERNAL_SERVER_ERROR }));
    }
    let app = app.layer(layer);
    for route in 0..5 {
        let response = app.clone().oneshot(request(&format!("/{route}"))).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(handle.state(), CircuitState::Open);
    let response = app.oneshot(request("/49")).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "30");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("CIRCUIT_1401"), "{body:?}");
}

#[tokio::test]
async fn a_servers_retry_after_sets_the_open_time() {
    let layer = CircuitBreakerLayer::default().for_http();
    let handle = layer.handle();
    let busy = || async { (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7")]) };
    let app = Router::new().route("/", get(busy)).layer(layer);
    for _ in 0..5 {
        app.clone().oneshot(request("/")).await.expect("infallible");
    }
    assert_eq!(handle.stats().last_open_time.expect("open").as_secs(), 7);
}

#[tokio::test]
async fn over_a_hyper_client_refused_connections_open_the_circuit_and_the_error_says_so() {
    // A port that was just free: nobody listens there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let layer = CircuitBreakerLayer::default();
    let handle = layer.handle();
    let client = ServiceBuilder::new()
        .layer(layer)
        .layer(BoxErrorLayer)
        .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
    let get = || Request::get(&*uri).body(Full::<Bytes>::default()).expect("valid");
    for _ in 0..5 {
        let error = bounded(client.clone().oneshot(get())).await.expect_err("nobody listens");
        assert!(Rejected::find(&*error).is_none());
    }
    assert_eq!(handle.state(), CircuitState::Open);
    let error = bounded(client.oneshot(get())).await.expect_err("refused");
    assert_eq!(Rejected::find(&*error).map(Rejected::code), Some(Code::CircuitOpen));
}

#[tokio::test]
async fn over_a_hyper_client_a_status_from_500_opens_the_circuit() {
    let failing = serve(Router::new().route("/", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))).await;
    let layer = CircuitBreakerLayer::default().classify(ByHttpStatus::new());
    let handle = layer.handle();
    let client = ServiceBuilder::new()
        .layer(layer)
        .layer(BoxErrorLayer)
        .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
    let get = || Request::get(format!("http://{failing}/")).body(Full::<Bytes>::default()).expect("valid");
    for _ in 0..5 {
        assert_eq!(bounded(client.clone().oneshot(get())).await.expect("a response").status(), 500);
    }
    assert_eq!(handle.state(), CircuitState::Open);
    let error = bounded(client.oneshot(get())).await.expect_err("refused");
    assert_eq!(Rejected::find(&*error).map(Rejected::code), Some(Code::CircuitOpen));
}

#[tokio::test]
async fn a_host_that_is_down_does_not_close_the_way_to_another() {
    let up = serve(Router::new().route("/", get(|| async { "up" }))).await;
    let down = serve(Router::new().route("/", get(|| async { StatusCode::BAD_GATEWAY }))).await;
    let layer =
        KeyedBreakerLayer::new(plugin_breaker::CircuitBreakerConfig::default(), |request: &Request<Full<Bytes>>| {
            request.uri().authority().cloned()
        })
        .classify(ByHttpStatus::new());
    let client = ServiceBuilder::new()
        .layer(layer)
        .layer(BoxErrorLayer)
        .service(Client::builder(TokioExecutor::new()).build_http());
    let get = |address| Request::get(format!("http://{address}/")).body(Full::<Bytes>::default()).expect("valid");
    for _ in 0..5 {
        assert_eq!(bounded(client.clone().oneshot(get(down))).await.expect("a response").status(), 502);
    }
    assert!(bounded(client.clone().oneshot(get(down))).await.is_err());
    assert_eq!(bounded(client.oneshot(get(up))).await.expect("a response").status(), 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_failure_where_the_end_is_followed() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let broken = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let frames = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("broke off"))];
        async { Body::from_stream(futures_util::stream::iter(frames)) }
    };
    let layer = CircuitBreakerLayer::default()
        .classify(ByHttpStatus::new().until_end_of_body())
        .reject_with(plugin_core::AsHttpResponse)
        .follow::<AtEnd>();
    let handle = layer.handle();
    let app = Router::new().route("/", get(broken)).layer(layer);
    for _ in 0..5 {
        let response = app.clone().oneshot(request("/")).await.expect("infallible");
        assert!(response.into_body().collect().await.is_err());
    }
    assert_eq!(ended(&handle, 5).await.failures, 5);
    let response = app.oneshot(request("/")).await.expect("infallible");
    assert_eq!((response.status(), calls.load(Ordering::SeqCst)), (StatusCode::SERVICE_UNAVAILABLE, 5));
}
