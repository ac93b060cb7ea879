//! Over real sockets: an axum route, a hyper client, a tonic channel.
#![cfg(all(not(loom), feature = "axum", feature = "tonic"))]

mod common;

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Request, Response, StatusCode},
    routing::any,
};
use bytes::Bytes;
use common::{config, ms};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{BoxError, BoxErrorLayer, ByGrpcStatus};
use plugin_retry::{GaveUp, ReplayBodyLayer, RetryConfig, RetryLayer};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder, ServiceExt};

/// Everything here is over in well under a second; a machine that is busy gets more.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("in time")
}

fn quick() -> RetryConfig {
    config(|set| set.with_constant_interval(ms(1)))
}

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// Reads the body, and answers 503 twice and then with it.
async fn flaky(State(bodies): State<Bodies>, body: Bytes) -> (StatusCode, Bytes) {
    let mut bodies = bodies.lock().expect("unpoisoned");
    bodies.push(body.clone());
    if bodies.len() < 3 { (StatusCode::SERVICE_UNAVAILABLE, Bytes::new()) } else { (StatusCode::OK, body) }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_hyper_client_sends_a_body_until_the_server_takes_it() {
    let bodies = Bodies::default();
    let address = serve(Router::new().route("/", any(flaky)).with_state(Arc::clone(&bodies))).await;
    let client = ServiceBuilder::new()
        .layer(ReplayBodyLayer)
        .layer(RetryLayer::new(quick()).for_http())
        .layer(BoxErrorLayer)
        .service(Client::builder(TokioExecutor::new()).build_http());
    let request = Request::put(format!("http://{address}/")).body(Full::new(Bytes::from_static(b"payload")));
    let response = in_time(client.oneshot(request.expect("valid"))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(in_time(response.into_body().collect()).await.expect("a body").to_bytes(), "payload");
    assert_eq!(*bodies.lock().expect("unpoisoned"), ["payload"; 3]);
}

#[tokio::test]
async fn an_axum_route_is_retried_inside_the_server() {
    let bodies = Bodies::default();
    let layer = RetryLayer::new(quick()).for_http();
    let handle = layer.handle();
    let router = Router::new().route("/", any(flaky)).with_state(Arc::clone(&bodies)).layer(layer);
    let address = serve(router).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let ask = |method| {
        let request = Request::builder().method(method).uri(format!("http://{address}/"));
        client.request(request.body(Full::new(Bytes::from_static(b"payload"))).expect("valid"))
    };
    let response = in_time(ask(Method::PUT)).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(in_time(response.into_body().collect()).await.expect("a body").to_bytes(), "payload");
    assert_eq!((handle.stats().retries, handle.stats().recovered), (2, 1));
    bodies.lock().expect("unpoisoned").clear();
    assert_eq!(in_time(ask(Method::POST)).await.expect("an answer").status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(handle.stats().gave_up(GaveUp::NotIdempotent), 1, "and not that nothing was kept of it");
}

#[tokio::test]
async fn a_refused_connection_is_retried_though_the_method_is_not_idempotent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let layer = RetryLayer::new(config(|set| set.with_constant_interval(ms(1)).with_unsent(true))).for_http();
    let client = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(BoxErrorLayer)
        .service(Client::builder(TokioExecutor::new()).build_http());
    let request = Request::post(format!("http://{address}/")).body(Full::new(Bytes::from_static(b"payload")));
    in_time(client.oneshot(request.expect("valid"))).await.expect_err("nobody listens");
    assert_eq!(layer.handle().stats().retries, 3);
}

/// A gRPC server that is unavailable twice, and then echoes.
#[derive(Clone, Default)]
struct Flaky {
    calls: Arc<AtomicUsize>,
    previous: Arc<Mutex<Vec<Option<String>>>>,
}

impl tonic::server::NamedService for Flaky {
    const NAME: &'static str = "test.Flaky";
}

impl Service<Request<tonic::body::Body>> for Flaky {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let previous = request.headers().get("grpc-previous-rpc-attempts");
        let previous = previous.and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.previous.lock().expect("unpoisoned").push(previous);
        let is_unavailable = self.calls.fetch_add(1, Ordering::SeqCst) < 2;
        Box::pin(async move {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            if is_unavailable {
                return Ok(tonic::Status::unavailable("not yet").into_http());
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().expect("a value"));
            let echo = Full::new(body).with_trailers(std::future::ready(Some(Ok(trailers))));
            let mut response = Response::new(tonic::body::Body::new(echo));
            response.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
            Ok(response)
        })
    }
}

const PING: Bytes = Bytes::from_static(b"\0\0\0\0\x04ping");

/// One call of the method that echoes, as a generated client makes it.
async fn ping(layer: RetryLayer<ByGrpcStatus>, to: SocketAddr) -> Result<Response<tonic::body::Body>, BoxError> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{to}")).expect("valid").connect_lazy();
    let stack = ServiceBuilder::new().layer(layer).layer(BoxErrorLayer).service(channel);
    let request = Request::post("/test.Flaky/Echo").header("content-type", "application/grpc");
    in_time(stack.oneshot(request.body(tonic::body::Body::new(Full::new(PING))).expect("valid"))).await
}

async fn flaky_grpc() -> (Flaky, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Flaky::default();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(tonic::transport::Server::builder().add_service(server.clone()).serve_with_incoming(incoming));
    (server, address)
}

#[tokio::test]
async fn a_grpc_call_that_never_left_is_made_again_by_default_and_one_that_did_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = listener.local_addr().expect("an address");
    drop(listener);
    let layer = RetryLayer::new(quick()).for_grpc();
    ping(layer.clone(), nobody).await.expect_err("nobody listens");
    assert_eq!((layer.handle().stats().retries, layer.handle().stats().gave_up(GaveUp::Attempts)), (3, 1));

    let (server, address) = flaky_grpc().await;
    let layer = RetryLayer::new(quick()).for_grpc();
    let answer = ping(layer.clone(), address).await.expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], "14", "it reached the server, and may not be repeated");
    assert_eq!((layer.handle().stats().retries, layer.handle().stats().gave_up(GaveUp::NotIdempotent)), (0, 1));
    assert_eq!(server.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_tonic_channel_is_retried_until_the_server_is_available() {
    let (server, address) = flaky_grpc().await;
    let layer = RetryLayer::new(config(|set| set.with_constant_interval(ms(1)).with_idempotent(true))).for_grpc();
    let response = ping(layer.clone(), address).await.expect("an answer");
    let body = in_time(response.into_body().collect()).await.expect("a body");
    assert_eq!(body.trailers().expect("trailers")["grpc-status"], "0");
    assert_eq!(body.to_bytes(), PING);
    assert_eq!(layer.handle().stats().recovered, 1);
    let previous: Vec<_> = server.previous.lock().expect("unpoisoned").clone();
    assert_eq!(previous, [None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[test]
fn the_layer_goes_onto_a_router_a_channel_and_a_client() {
    fn is_a_service<Req, S: Service<Req> + Clone + Send + Sync + 'static>(_: &S) {}
    let _router: Router = Router::new().route("/", any(|| async { "ok" })).layer(RetryLayer::new(quick()).for_http());
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    is_a_service::<Request<Body>, _>(&tower::Layer::layer(&RetryLayer::new(quick()).for_http(), client));
}
