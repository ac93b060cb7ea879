//! The layer over HTTP, over calls, and over a mock that shows when the inner service is asked.

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use plugin_core::{Code, Rejected};
use plugin_ratelimit::{SharedBucket, SharedRateLimitLayer};
use tokio_test::{assert_pending, task};
use tower::{BoxError, Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};

use super::{patient, server::Server, shared, within, without_refill};

#[tokio::test]
async fn a_router_answers_429_for_the_key_that_has_used_up_its_tokens() {
    let server = Server::start().await;
    let bucket = SharedBucket::new(&shared(patient(server.url())).await, "limit", without_refill(2));
    let by_tenant = |request: &Request<Body>| Some(request.headers().get("x-tenant")?.to_str().ok()?.to_owned());
    let layer = SharedRateLimitLayer::by(&bucket, by_tenant).for_http();
    let handle = layer.handle();
    let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let call = |tenant: Option<&'static str>| {
        let request = Request::get("/");
        let request = tenant.into_iter().fold(request, |request, tenant| request.header("x-tenant", tenant));
        app.clone().oneshot(request.body(Body::empty()).expect("valid"))
    };
    let mut statuses = Vec::new();
    for tenant in [Some("a"), Some("a"), Some("a"), Some("b"), None, None, None] {
        statuses.push(within(call(tenant)).await.expect("infallible").status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200, 200, 200, 200], "what has no key passes");
    let refused = call(Some("a")).await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!((handle.stats().allowed, handle.stats().refused), (3, 2));
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_inner_service_and_holds_nothing_of_it() {
    let server = Server::start().await;
    let bucket = SharedBucket::new(&shared(patient(server.url())).await, "limit", without_refill(1));
    let inner = service_fn(|text: &'static str| async move { Ok::<_, BoxError>(text) });
    let permits = ConcurrencyLimitLayer::new(1).layer(inner);
    let mut service = SharedRateLimitLayer::sharing(&bucket).layer(permits);
    assert_eq!(within(service.ready().await.expect("ready").call("first")).await.expect("one token"), "first");
    // Asked, since it is not known yet; the permit of the service that was ready goes with the refusal.
    let refused = within(service.ready().await.expect("ready").call("second")).await.expect_err("used up");
    assert_eq!(Rejected::find(&*refused).map(Rejected::code), Some(Code::RateLimited));
    assert!(within(service.ready()).await.is_ok(), "the permit is free");
}

#[tokio::test]
async fn a_call_that_is_dropped_while_redis_is_asked_reaches_nobody() {
    let server = Server::start().await;
    let bucket = SharedBucket::new(&shared(patient(server.url())).await, "limit", without_refill(5));
    let (mock, mut inner) = tower_test::mock::pair::<&str, ()>();
    let mut service = SharedRateLimitLayer::sharing(&bucket).layer(mock);
    server.hang(true);
    let mut call = task::spawn(service.ready().await.expect("ready").call("dropped"));
    assert_pending!(call.poll());
    drop(call);
    server.hang(false);
    let call = tokio::spawn(service.ready().await.expect("ready").call("made"));
    let (request, respond) = within(inner.next_request()).await.expect("a request");
    assert_eq!(request, "made");
    respond.send_response(());
    assert!(within(call).await.expect("no panic").is_ok());
}
