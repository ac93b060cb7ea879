//! Keys that have settings of their own, as of a plan.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_ratelimit::{RateLimitConfig, RedisStore, SharedBucket, SharedMode};

use super::{
    LONG, limit, passing, patient, quick,
    server::{Server, free_port},
    shared, store, until, until_mode, without_refill,
};

/// Two of each, but of those who pay.
fn plans(store: &RedisStore, paid: RateLimitConfig) -> SharedBucket {
    SharedBucket::with_limits(store, "plans", without_refill(2), move |tenant| {
        tenant.starts_with("paid").then_some(paid)
    })
}

#[tokio::test]
async fn a_key_with_a_plan_has_its_plan_and_the_others_what_all_have() {
    let server = Server::start().await;
    for batch in [1, 16] {
        let config = || patient(server.url()).with_prefix(format!("in-{batch}")).with_batch(batch);
        let stores = [shared(config()).await, shared(config()).await];
        let buckets = stores.each_ref().map(|store| plans(store, without_refill(100)));
        let mut passed = [0, 0];
        for bucket in [0, 1, 0, 1] {
            for (passed, key) in passed.iter_mut().zip(["paid", "free"]) {
                *passed += passing(&buckets[bucket], key, 30).await;
            }
        }
        assert!(passed[0] <= 100 && passed[0] > 100 - 2 * batch, "{passed:?} in batches of {batch}");
        assert!(passed[1] <= 2 && passed[1] > 0, "{passed:?} in batches of {batch}");
        let refused = buckets[0].try_acquire("paid", 101).await.expect_err("never");
        assert_eq!(refused.retry_after(), None);
        assert!(buckets[0].try_acquire("free", 3).await.expect_err("never").retry_after().is_none());
        assert_eq!(buckets[0].stats().local, 0);
    }
}

#[tokio::test]
async fn a_refusal_and_the_quota_state_the_limit_of_the_key() {
    let server = Server::start().await;
    let paid = limit(0.5, 30).to_builder().with_time_window(Duration::from_secs(60)).build().expect("valid");
    let bucket = plans(&shared(patient(server.url())).await, paid);
    bucket.try_acquire("paid", 30).await.expect("all are there");
    let refused = bucket.try_acquire("paid", 10).await.expect_err("it is empty");
    let after = refused.retry_after().expect("a time");
    assert!(after <= Duration::from_secs(20) && after > Duration::from_secs(10), "{after:?}");
    let stated = refused.quota().expect("a quota");
    assert_eq!((stated.limit, stated.window), (30, Duration::from_secs(60)));
    let asked = bucket.quota("paid").await.expect("limited");
    assert_eq!((asked.limit, asked.window), (30, Duration::from_secs(60)));
    let other = bucket.quota("free").await.expect("limited");
    assert_eq!((other.limit, other.remaining, other.window), (1, 2, Duration::from_secs(10_000)));
}

#[tokio::test]
async fn while_redis_is_away_the_share_is_that_of_the_limit_of_the_key() {
    let mut server = Server::start().await;
    let store =
        shared(quick(server.url()).with_connect_timeout(LONG).with_timeout(LONG).with_expected_replicas(4)).await;
    let bucket = plans(&store, without_refill(100));
    assert_eq!(passing(&bucket, "paid", 20).await, 20);
    server.kill();
    until_mode(&store, SharedMode::Local).await;
    assert_eq!(passing(&bucket, "paid", 200).await, 20, "a quarter of eighty");
    assert_eq!(passing(&bucket, "paid other", 200).await, 25);
    assert_eq!(passing(&bucket, "free", 200).await, 1, "less than one token is one");
    let refused = bucket.try_acquire("paid", 1).await.expect_err("the share is used up");
    assert_eq!(refused.quota().expect("a quota").window, Duration::from_secs(40_000), "a token of four instances");
    assert_eq!(bucket.quota("paid other").await.map(|quota| quota.remaining), Some(0));
    server.start_again().await;
    until_mode(&store, SharedMode::Shared).await;
    // It has lost the first twenty, and is told of the rest.
    until("it decides", || store.status().reason.is_none()).await;
    assert_eq!(passing(&bucket, "paid", 200).await, 80);
    assert_eq!(passing(&bucket, "paid other", 200).await, 75);
}

#[tokio::test]
async fn while_redis_is_away_keys_without_a_place_have_their_plans_too() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let store = store(quick(&url).with_max_keys(1));
    until_mode(&store, SharedMode::Local).await;
    let bucket = plans(&store, without_refill(100));
    assert_eq!(passing(&bucket, "has the place", 9).await, 2);
    // By chance one of a thousand has the cell of another.
    assert_eq!(passing(&bucket, "paid", 200).await, 100);
    assert_eq!(passing(&bucket, "free", 200).await, 2);
    assert_eq!(bucket.quota("paid").await.map(|quota| quota.remaining), Some(0));
    assert_eq!(bucket.stats().keys, 1);
}

#[tokio::test]
async fn a_plan_holds_from_the_next_request_on_and_what_is_owed_stays_owed() {
    let server = Server::start().await;
    let paid = Arc::new(AtomicBool::new(true));
    let is_paid = Arc::clone(&paid);
    let own = without_refill(50);
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::with_limits(&store, "plans", limit(1e-3, 20), move |tenant| {
        (tenant == "acme" && is_paid.load(Ordering::Relaxed)).then_some(own)
    });
    assert_eq!(passing(&bucket, "acme", 30).await, 30);
    paid.store(false, Ordering::Relaxed);
    assert_eq!(passing(&bucket, "acme", 5).await, 0, "thirty are owed, and the bucket holds twenty");
    bucket.reconfigure(limit(1e-3, 40));
    assert_eq!(passing(&bucket, "acme", 50).await, 10);
    paid.store(true, Ordering::Relaxed);
    assert_eq!(passing(&bucket, "acme", 50).await, 10);
    bucket.reconfigure(limit(1e-3, 45));
    assert_eq!(passing(&bucket, "acme", 50).await, 0, "a plan stays what it is");
    bucket.disable();
    assert_eq!(passing(&bucket, "acme", 50).await, 50);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_layer_states_the_limit_of_the_key_in_its_headers() {
    use axum::{Router, body::Body, routing::get};
    use http::Request;
    use plugin_ratelimit::SharedRateLimitLayer;
    use tower::ServiceExt;

    let server = Server::start().await;
    let bucket = plans(&shared(patient(server.url())).await, limit(0.5, 3));
    let by_tenant = |request: &Request<Body>| Some(request.headers().get("x-tenant")?.to_str().ok()?.to_owned());
    let layer = SharedRateLimitLayer::sharing(&bucket, by_tenant).for_http();
    let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    for (tenant, passing, policy, retry) in
        [("paid", 3, "\"default\";q=1;w=2", 1..3), ("free", 2, "\"default\";q=1;w=10000", 9_000..10_001)]
    {
        let call = || {
            let request = Request::get("/").header("x-tenant", tenant).body(Body::empty()).expect("valid");
            super::within(app.clone().oneshot(request))
        };
        for _ in 0..passing {
            assert_eq!(call().await.expect("infallible").status(), 200);
        }
        let refused = call().await.expect("infallible");
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["ratelimit-policy"]),
            (429, &policy.parse().expect("valid"))
        );
        let after: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!(retry.contains(&after), "{tenant}: {after}");
    }
}
