//! The limit per key: by itself and as a layer.

use std::{future::pending, panic::AssertUnwindSafe, sync::Barrier};

use plugin_core::Code;
use plugin_ratelimit::{
    WithoutKey,
    concurrency::{KeyedConcurrencyLimit, KeyedConcurrencyLimitConfig, KeyedConcurrencyLimitLayer},
};
use tokio_test::task;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

fn config(max: u32, max_keys: u32) -> KeyedConcurrencyLimitConfig {
    KeyedConcurrencyLimitConfig::builder().with_max(max).with_max_keys(max_keys).build().expect("valid")
}

#[test]
fn each_key_has_as_many_calls_in_flight_as_may_be_and_never_more_under_threads() {
    let (limit, all_took) = (KeyedConcurrencyLimit::<u32>::new(config(7, 1_000)), Barrier::new(4));
    let held: usize = std::thread::scope(|scope| {
        let thread = || {
            for _ in 0..2_000 {
                (0..3).for_each(|key| drop(limit.try_acquire(key)));
            }
            all_took.wait();
            let permits: Vec<_> = (0..30).filter_map(|n| limit.try_acquire(n % 3).ok()).collect();
            all_took.wait();
            permits.len()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(held, 21);
    assert_eq!((limit.stats().keys, limit.stats().in_flight), (0, 0));
}

#[test]
fn a_flood_of_keys_is_bounded_and_takes_no_place_from_a_busy_one() {
    let limit = KeyedConcurrencyLimit::<u32>::new(config(2, 100));
    let _busy = [limit.try_acquire(0).expect("free"), limit.try_acquire(0).expect("free")];
    let permits: Vec<_> = (1..20_000).filter_map(|key| limit.try_acquire(key).ok()).collect();
    assert_eq!(permits.len(), 99 + 2 * 1024, "every place of the overflow is full");
    let stats = limit.stats();
    assert_eq!((stats.keys, stats.in_flight, stats.overflowed), (100, 101 + 2 * 1024, 19_999 - 99));
    assert!(limit.try_acquire(0).is_err());
    assert_eq!(limit.top_keys(1).iter().map(|top| (top.key, top.in_flight)).collect::<Vec<_>>(), [(0, 2)]);
    drop(permits);
    assert_eq!((limit.stats().keys, limit.stats().in_flight), (1, 2));
    assert!(limit.try_acquire(30_000).is_ok(), "a place is free again");
}

#[test]
fn calls_without_a_key_are_counted_together_or_refused_or_pass() {
    let layer = KeyedConcurrencyLimitLayer::new(config(1, 10), |key: &Option<u32>| *key);
    let handle = layer.handle();
    let mut service = layer.layer(service_fn(|_: Option<u32>| pending::<Result<(), BoxError>>()));
    let first = task::spawn(service.call(None));
    assert!(task::spawn(service.call(None)).poll().is_ready(), "refused");
    for (without_key, passes) in [(WithoutKey::Refuse, false), (WithoutKey::Pass, true)] {
        handle.reconfigure(handle.config().to_builder().with_without_key(without_key).build().expect("valid"));
        assert_eq!(task::spawn(service.call(None)).poll().is_pending(), passes);
    }
    assert_eq!((handle.stats().in_flight, handle.stats().refused), (1, 2));
    drop(first);
    assert_eq!(handle.stats().in_flight, 0);
}

#[test]
fn a_call_that_is_dropped_or_panics_gives_its_place_back() {
    let layer = KeyedConcurrencyLimitLayer::new(config(1, 10), |key: &u32| Some(*key));
    let handle = layer.handle();
    let mut service = layer.layer(service_fn(|key: u32| {
        assert!(key != 7, "as it should");
        pending::<Result<(), BoxError>>()
    }));
    let mut call = task::spawn(service.call(1));
    assert!(call.poll().is_pending());
    assert_eq!(handle.stats().keys, 1);
    drop(call);
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| drop(service.call(7)))).is_err());
    assert_eq!((handle.stats().keys, handle.stats().in_flight, handle.stats().admitted), (0, 0, 2));
}

#[test]
fn what_is_switched_off_counts_nobody_and_takes_back_what_it_gave() {
    let limit = KeyedConcurrencyLimit::<u32>::new(config(1, 10));
    let before = limit.try_acquire(1).expect("free");
    limit.disable();
    let uncounted = limit.try_acquire(1).expect("all pass");
    assert_eq!((limit.stats().limit, limit.stats().in_flight), (None, 1));
    drop(before);
    limit.enable();
    let counted = limit.try_acquire(1).expect("free");
    drop(uncounted);
    let refused = limit.try_acquire(1).expect_err("one is in flight");
    assert_eq!(refused.code(), Code::ConcurrencyExceeded);
    assert!(refused.to_string().starts_with("too many calls of the same key are in flight"), "{refused}");
    drop(counted);
}

#[cfg(all(feature = "http", feature = "axum"))]
#[tokio::test(start_paused = true)]
async fn a_body_holds_its_permit_until_it_is_dropped() {
    use axum::{Router, body::Body, http::Request, http::StatusCode, routing::get};

    let layer = KeyedConcurrencyLimitLayer::new(config(1, 10), |_: &Request<Body>| Some(1)).for_http();
    let handle = layer.handle();
    let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let request = || Request::get("/").body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request()).await.expect("infallible");
    assert_eq!(handle.stats().in_flight, 1, "the head has come, and the body has not");
    let refused = app.clone().oneshot(request()).await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(response);
    assert_eq!((handle.stats().in_flight, handle.stats().keys), (0, 0));
}
