//! What a caller learns of a service that is too busy, over real connections: the throttle, and a limit that is adaptive.
#![cfg(all(feature = "http", not(loom)))]

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, Uri},
    routing::get,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::AtHead;
use plugin_ratelimit::{
    concurrency::{AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitLayer},
    throttle::{AdaptiveThrottleLayer, AdaptiveThrottleStats},
};
use tower::{BoxError, Layer, Service, ServiceExt};

/// Statuses by which a service says that it is too busy.
const TOO_BUSY: [u16; 3] = [429, 503, 504];

/// Answers each path with the status that it names.
async fn by_its_path(uri: Uri) -> StatusCode {
    uri.path().trim_start_matches('/').parse().ok().and_then(|status| StatusCode::from_u16(status).ok()).expect("one")
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn client() -> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    client.map_response(|response| response.map(Body::new)).map_err(BoxError::from)
}

async fn ask(
    stack: &(impl Service<Request<Body>, Response = Response<Body>, Error = BoxError> + Clone),
    address: SocketAddr,
    path: &str,
) -> u16 {
    let request = Request::get(format!("http://{address}/{path}")).body(Body::empty()).expect("a request");
    stack.clone().oneshot(request).await.expect("an answer").status().as_u16()
}

/// What a throttle has counted after five requests of this path.
async fn counted(address: SocketAddr, path: &str) -> AdaptiveThrottleStats {
    let layer = AdaptiveThrottleLayer::default().for_http();
    let stack = layer.layer(client());
    for _ in 0..5 {
        ask(&stack, address, path).await;
    }
    layer.handle().stats()
}

async fn in_time(scenario: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), scenario).await.expect("in time");
}

#[tokio::test]
async fn a_throttle_hears_by_the_status_that_a_service_is_too_busy() {
    in_time(async {
        let address = serve(Router::new().fallback(by_its_path)).await;
        for status in TOO_BUSY {
            let stats = counted(address, &status.to_string()).await;
            assert_eq!((stats.requests, stats.accepts), (5, 0), "{status}");
        }
        for status in [200, 404, 500, 502] {
            let stats = counted(address, &status.to_string()).await;
            assert_eq!((stats.requests, stats.accepts), (5, 5), "{status}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_throttle_hears_of_a_limit_of_this_crate_on_the_other_machine() {
    in_time(async {
        let config = ConcurrencyLimitConfig::builder().with_max(1).with_queue(0).build().expect("valid");
        let limit = ConcurrencyLimit::new(config);
        let layer = ConcurrencyLimitLayer::sharing(&limit).for_http().follow::<AtHead>();
        let address = serve(Router::new().route("/", get(|| async { "hello" })).layer(layer)).await;
        let permit = limit.try_acquire().expect("free");
        assert_eq!(counted(address, "").await.accepts, 0, "it is full");
        drop(permit);
        assert_eq!(counted(address, "").await.accepts, 5);
    })
    .await;
}

#[tokio::test]
async fn an_adaptive_limit_hears_by_the_status_that_a_service_is_too_busy() {
    in_time(async {
        let address = serve(Router::new().fallback(by_its_path)).await;
        for (status, grows) in TOO_BUSY.map(|status| (status, false)).into_iter().chain([(200, true)]) {
            let adaptive = AdaptiveConfig::new(AdaptiveAlgorithm::Aimd);
            let config = ConcurrencyLimitConfig::builder().with_queue(0).with_adaptive(adaptive).build();
            let limit = ConcurrencyLimit::new(config.expect("valid"));
            let stack = ConcurrencyLimitLayer::sharing(&limit).for_http().follow::<AtHead>().layer(client());
            // So that the limit is in use, and would grow.
            let _others: Vec<_> = (0..19).map(|_| limit.try_acquire().expect("free")).collect();
            while limit.stats().limit == Some(20) {
                assert_eq!(ask(&stack, address, &status.to_string()).await, status);
            }
            assert_eq!(limit.stats().limit > Some(20), grows, "{status}: {:?}", limit.stats());
        }
    })
    .await;
}
