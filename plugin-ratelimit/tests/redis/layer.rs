//! The layer over HTTP, over calls, and over a mock that shows when the inner service is asked.

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use plugin_core::{Code, Rejected};
use plugin_ratelimit::{OneKey, SharedBucket, SharedRateLimitLayer, WithoutKey};
use tokio_test::{assert_pending, task};
use tower::{BoxError, Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};

use super::{patient, server::Server, shared, within, without_refill};

#[tokio::test]
async fn a_router_answers_429_for_the_key_that_has_used_up_its_tokens() {
    let server = Server::start().await;
    let bucket = SharedBucket::new(&shared(patient(server.url())).await, "limit", without_refill(2));
    let by_tenant = |request: &Request<Body>| Some(request.headers().get("x-tenant")?.to_str().ok()?.to_owned());
    let layer = SharedRateLimitLayer::sharing(&bucket, by_tenant).for_http();
    let handle = layer.handle();
    let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let call = |tenant: &'static str| {
        app.clone().oneshot(Request::get("/").header("x-tenant", tenant).body(Body::empty()).expect("valid"))
    };
    let mut statuses = Vec::new();
    for tenant in ["a", "a", "a", "b"] {
        statuses.push(within(call(tenant)).await.expect("infallible").status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
    let refused = call("a").await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!((handle.stats().allowed, handle.stats().refused), (3, 2));
}

#[tokio::test]
async fn a_request_without_a_key_is_treated_as_the_layer_says_on_all_instances() {
    let server = Server::start().await;
    let stores = [shared(patient(server.url())).await, shared(patient(server.url())).await];
    for (without_key, passing, is_for_later) in
        [(WithoutKey::Shared, 3, Some(true)), (WithoutKey::Refuse, 0, Some(false)), (WithoutKey::Pass, 10, None)]
    {
        let name = format!("{without_key:?}");
        let buckets = stores.each_ref().map(|store| SharedBucket::new(store, &*name, without_refill(3)));
        let (mut passed, mut told) = (0, None);
        for turn in 0..10 {
            let key_of = |_: &&str| None::<String>;
            let layer = SharedRateLimitLayer::sharing(&buckets[turn % 2], key_of).with_without_key(without_key);
            let service = layer.layer(service_fn(|text: &'static str| async move { Ok::<_, BoxError>(text) }));
            match within(service.oneshot("nobody's")).await {
                Ok(_) => passed += 1,
                Err(error) => told = Rejected::find(&*error).map(|rejected| rejected.retry_after().is_some()),
            }
        }
        assert_eq!((passed, told), (passing, is_for_later), "{name}");
        let stats = buckets.each_ref().map(SharedBucket::stats);
        assert_eq!(stats[0].allowed + stats[1].allowed, passing, "{name}");
        assert_eq!(stats[0].refused + stats[1].refused, 10 - passing, "{name}");
        assert_eq!((stats[0].without_key, stats[1].without_key), (5, 5), "{name}");
    }
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_inner_service_and_holds_nothing_of_it() {
    let server = Server::start().await;
    let bucket = SharedBucket::new(&shared(patient(server.url())).await, "limit", without_refill(1));
    let inner = service_fn(|text: &'static str| async move { Ok::<_, BoxError>(text) });
    let permits = ConcurrencyLimitLayer::new(1).layer(inner);
    let mut service = SharedRateLimitLayer::sharing(&bucket, OneKey).layer(permits);
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
    let mut service = SharedRateLimitLayer::sharing(&bucket, OneKey).layer(mock);
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
