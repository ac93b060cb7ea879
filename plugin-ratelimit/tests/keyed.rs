//! Buckets per key: as a layer and by themselves.
#![cfg(not(loom))]

use std::{
    num::NonZeroU32,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
use plugin_core::{Code, Rejected, clock::Instant};
use plugin_ratelimit::{
    KeyedRateLimitConfig, KeyedRateLimitLayer, KeyedTokenBucket, RateLimitConfig, RateLimitLayer, WithoutKey,
};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn limit(per_second: f64, burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(per_second).with_burst_size(burst).build().expect("valid")
}

/// A request: its key, if it has one.
type Request = Option<&'static str>;

fn layer(config: impl Into<KeyedRateLimitConfig>) -> KeyedRateLimitLayer<&'static str, fn(&Request) -> Request> {
    KeyedRateLimitLayer::new(config, |request: &Request| *request)
}

fn echo() -> impl Service<Request, Response = Request, Error = Rejected, Future: Send> + Clone {
    service_fn(|request: Request| async move { Ok::<_, Rejected>(request) })
}

/// How many of `tries` requests with this key pass at this moment.
async fn passing<S>(stack: &S, key: Request, tries: u32) -> u32
where
    S: Service<Request, Response = Request, Error = Rejected> + Clone,
{
    let mut passed = 0;
    for _ in 0..tries {
        match stack.clone().oneshot(key).await {
            Ok(_) => passed += 1,
            Err(rejected) => assert_eq!(rejected.code(), Code::RateLimited),
        }
    }
    passed
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_bucket_of_its_own_and_all_services_of_a_layer_share_them() {
    let layer = layer(limit(2.0, 3));
    let (first, second) = (layer.layer(echo()), layer.clone().layer(echo()));
    assert_eq!(passing(&first, Some("acme"), 2).await, 2);
    assert_eq!(passing(&second, Some("acme"), 5).await, 1);
    assert_eq!(passing(&second, Some("globex"), 5).await, 3);
    let refused = first.clone().oneshot(Some("acme")).await.expect_err("used up");
    assert_eq!(refused.retry_after(), Some(SECOND / 2));
    let quota = refused.quota().expect("what the bucket allows");
    assert_eq!((quota.limit, quota.remaining, quota.reset), (2, 0, 3 * SECOND / 2));
    tokio::time::advance(SECOND).await;
    assert_eq!(passing(&first, Some("acme"), 5).await, 2);
    let stats = layer.handle().stats();
    assert_eq!((stats.allowed, stats.refused, stats.keys, stats.overflowed), (8, 10, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_is_treated_as_the_settings_say() {
    for (without_key, passes, retry_after) in
        [(WithoutKey::Shared, 3, Some(Some(SECOND))), (WithoutKey::Refuse, 0, Some(None)), (WithoutKey::Pass, 10, None)]
    {
        let builder = KeyedRateLimitConfig::builder().with_limit(limit(1.0, 3)).with_without_key(without_key);
        let layer = layer(builder.build().expect("valid"));
        let stack = layer.layer(echo());
        assert_eq!(passing(&stack, None, 10).await, passes, "{without_key:?}");
        let last = stack.clone().oneshot(None).await;
        assert_eq!(last.err().map(|rejected| rejected.retry_after()), retry_after, "{without_key:?}");
        assert_eq!(passing(&stack, Some("acme"), 10).await, 3, "others are not concerned");
        assert_eq!(layer.handle().stats().without_key, 11);
    }
    let text = Rejected::without_key().to_string();
    assert_eq!(text, "the request does not say whose it is, and is limited by that (RATELIMIT_1501)");
}

#[tokio::test(start_paused = true)]
async fn a_layer_is_switched_off_and_on_and_forgets_nothing() {
    let layer = layer(limit(1.0, 1));
    let (stack, handle) = (layer.layer(echo()), layer.handle());
    assert_eq!(passing(&stack, Some("acme"), 3).await, 1);
    handle.disable();
    assert_eq!(passing(&stack, Some("acme"), 3).await + passing(&stack, None, 3).await, 6);
    assert_eq!((handle.stats().allowed, handle.quota(&"acme")), (1, None), "what is not limited is not counted");
    handle.enable();
    assert_eq!(passing(&stack, Some("acme"), 3).await, 0);
    let off = KeyedRateLimitLayer::disabled(|request: &Request| *request);
    assert!(!off.handle().is_enabled());
    assert_eq!(passing(&off.layer(echo()), Some("acme"), 100).await, 100);
}

#[tokio::test(start_paused = true)]
async fn live_settings_keep_what_each_key_owes() {
    let layer = layer(limit(1.0, 10));
    let (stack, handle) = (layer.layer(echo()), layer.handle());
    assert_eq!(passing(&stack, Some("acme"), 7).await, 7);
    assert_eq!(passing(&stack, None, 7).await, 7);
    let change = |to| handle.reconfigure(handle.config().to_builder().with_limit(to).build().expect("valid"));
    change(limit(2.0, 20));
    assert_eq!(handle.config().limit(), limit(2.0, 20));
    assert_eq!(handle.quota(&"acme").map(|quota| quota.remaining), Some(13));
    assert_eq!(passing(&stack, Some("acme"), 20).await, 13);
    assert_eq!(passing(&stack, None, 20).await, 13);
    assert_eq!(passing(&stack, Some("globex"), 30).await, 20);
    change(limit(1.0, 5));
    tokio::time::advance(15 * SECOND).await;
    assert_eq!(passing(&stack, Some("acme"), 5).await, 0, "five of twenty are owed still");
    tokio::time::advance(SECOND).await;
    assert_eq!(passing(&stack, Some("acme"), 5).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_has_the_settings_that_a_function_gives_it_at_that_moment() {
    let paid = Arc::new(AtomicBool::new(true));
    let is_paid = Arc::clone(&paid);
    let tenants = KeyedTokenBucket::with_limits(limit(1.0, 2), move |tenant: &&'static str| {
        (*tenant == "acme" && is_paid.load(Ordering::Relaxed)).then(|| limit(10.0, 20))
    });
    let layer = KeyedRateLimitLayer::sharing(&tenants, |request: &Request| *request);
    let (stack, handle) = (layer.layer(echo()), layer.handle());
    assert_eq!(passing(&stack, Some("acme"), 15).await, 15);
    assert_eq!(passing(&stack, Some("globex"), 15).await, 2);
    assert_eq!(handle.quota(&"acme").map(|quota| (quota.limit, quota.remaining)), Some((10, 5)));
    paid.store(false, Ordering::Relaxed);
    assert_eq!(passing(&stack, Some("acme"), 1).await, 0, "fifteen are owed, and the bucket holds two");
    tokio::time::advance(13 * SECOND).await;
    assert_eq!(passing(&stack, Some("acme"), 5).await, 0);
    tokio::time::advance(SECOND).await;
    assert_eq!(passing(&stack, Some("acme"), 5).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_handle_shows_who_owes_most_and_forgets_whom_it_is_told() {
    let layer = layer(limit(1.0, 10));
    let (stack, handle) = (layer.layer(echo()), layer.handle());
    for (key, tokens) in [("a", 3), ("b", 9), ("c", 1), ("d", 5)] {
        assert_eq!(passing(&stack, Some(key), tokens).await, tokens);
    }
    let top = |n| handle.top_keys(n).into_iter().map(|usage| (usage.key, usage.owed)).collect::<Vec<_>>();
    assert_eq!(top(2), [("b", 9), ("d", 5)]);
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(top(10), [("b", 7), ("d", 3), ("a", 1)], "c owes nothing any more");
    assert!(handle.forget("b") && !handle.forget("b"));
    assert_eq!(passing(&stack, Some("b"), 20).await, 10);
    handle.bucket().forget_full();
    assert_eq!(handle.stats().keys, 3, "all but c");
    assert!(handle.bucket().contains("a") && !handle.bucket().contains("c"));
    assert!(!format!("{handle:?} {layer:?}").contains('"'), "no keys are shown");
}

#[test]
fn layers_that_share_buckets_share_what_is_owed() {
    let buckets = KeyedTokenBucket::<&'static str>::new(limit(0.001, 2));
    let layer = KeyedRateLimitLayer::sharing(&buckets, |request: &Request| *request);
    buckets.try_acquire(&"acme", 2).expect("full");
    let refused = tokio_test::task::spawn(layer.layer(echo()).oneshot(Some("acme"))).poll();
    assert!(matches!(refused, std::task::Poll::Ready(Err(_))));
}

#[tokio::test(start_paused = true)]
async fn whoever_changes_the_settings_changes_them_for_requests_without_a_key_too() {
    let buckets = KeyedTokenBucket::<&'static str>::new(limit(1.0, 4));
    let layers = [(); 2].map(|()| KeyedRateLimitLayer::sharing(&buckets, |request: &Request| *request));
    let [first, second] = layers.each_ref().map(|layer| layer.layer(echo()));
    assert_eq!(passing(&first, None, 3).await + passing(&second, None, 3).await, 4, "all take from one bucket");
    let config = |burst, without_key| {
        let builder = buckets.config().to_builder().with_limit(limit(1.0, burst)).with_without_key(without_key);
        builder.build().expect("valid")
    };
    buckets.reconfigure(config(10, WithoutKey::Shared));
    assert_eq!(passing(&first, None, 20).await, 6, "four of ten are owed");
    layers[0].handle().reconfigure(config(12, WithoutKey::Shared));
    assert_eq!(passing(&second, None, 20).await, 2);
    buckets.reconfigure(config(12, WithoutKey::Pass));
    assert_eq!(passing(&first, None, 20).await + passing(&second, None, 20).await, 40);
    buckets.reconfigure(config(12, WithoutKey::Refuse));
    assert_eq!(first.oneshot(None).await.err(), Some(Rejected::without_key()));
    assert_eq!(layers[1].handle().config(), config(12, WithoutKey::Refuse));
}

#[tokio::test(start_paused = true)]
async fn settings_for_some_keys_go_with_a_switch_and_with_other_layers() {
    let limits = |tenant: &&'static str| (*tenant == "acme").then(|| limit(1.0, 5));
    let buckets = KeyedTokenBucket::with_limits(limit(1.0, 2), limits);
    buckets.disable();
    let layer = KeyedRateLimitLayer::sharing(&buckets, |request: &Request| *request);
    let stack = layer.layer(echo());
    assert_eq!(passing(&stack, Some("acme"), 50).await, 50);
    buckets.enable();
    assert_eq!(passing(&stack, Some("acme"), 50).await, 5);
    assert_eq!(passing(&stack, Some("globex"), 50).await, 2);
    assert!(buckets.forget("acme"));
    assert_eq!(passing(&stack, Some("acme"), 50).await, 5);
}

#[test]
fn the_number_of_places_is_that_of_the_table_whatever_live_settings_say() {
    let config = |keys| KeyedRateLimitConfig::builder().with_max_keys(keys).build().expect("valid");
    let bucket = KeyedTokenBucket::<u64>::new(config(10));
    bucket.reconfigure(config(1_000));
    for key in 0..1_000 {
        let _place_or_not = bucket.try_acquire(&key, 1);
    }
    assert_eq!((bucket.keys(), bucket.max_keys(), bucket.config()), (10, 10, config(10)));
}

/// A key that looks at the table whenever one is dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Curious(u64);

static LOOKED_AT: OnceLock<KeyedTokenBucket<Curious>> = OnceLock::new();

impl Drop for Curious {
    fn drop(&mut self) {
        assert!(LOOKED_AT.get().is_none_or(|bucket| bucket.keys() <= 10));
    }
}

#[test]
fn keys_are_dropped_when_no_lock_is_held() {
    let slow = KeyedRateLimitConfig::builder().with_limit(limit(1e-3, 20));
    let config = slow.with_max_keys(10).build().expect("valid");
    let bucket = LOOKED_AT.get_or_init(|| KeyedTokenBucket::new(config));
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for key in 0..20 {
            let _place_or_not = bucket.try_acquire(&Curious(key), 1 + key as u32);
        }
        assert_eq!(bucket.top_keys(1).len(), 1);
        assert!(bucket.forget(&Curious(3)));
        let at_once = bucket.config().to_builder().with_limit(limit(1e7, 20)).build().expect("valid");
        bucket.reconfigure(at_once);
        while bucket.keys() > 0 {
            bucket.forget_full();
        }
        let now = plugin_core::clock::now();
        (0..10).for_each(|key| assert!(bucket.try_acquire_at(&Curious(key), 1, now).is_ok()));
        (20..30).for_each(|key| assert!(bucket.try_acquire_at(&Curious(key), 1, now.saturating_add(SECOND)).is_ok()));
        assert!(bucket.contains(&Curious(29)) && !bucket.contains(&Curious(0)), "their places were taken");
        done.send(()).expect("somebody waits");
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("nobody waits for a lock that he holds");
}

#[test]
fn more_than_a_bucket_holds_never_passes_and_makes_no_key_known() {
    let bucket = KeyedTokenBucket::<u64>::new(limit(1.0, 5));
    let refused = bucket.try_acquire(&7, 6).expect_err("too much");
    assert_eq!(refused.retry_after(), None);
    assert!(refused.to_string().contains("it costs 6 tokens, and the bucket holds 5"), "{refused}");
    assert_eq!((bucket.try_acquire(&7, 0), bucket.keys()), (Ok(()), 0));
}

#[test]
fn two_threads_take_what_is_there_and_no_more_whatever_else_is_done() {
    let bucket = KeyedTokenBucket::<u64>::new(limit(1e-4, 100));
    let taken: Vec<_> = (0..20).map(|_| AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for turn in 0..6_000 {
                    let key = turn % 20;
                    taken[key].fetch_add(bucket.try_acquire(&(key as u64), 1).is_ok().into(), Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            for turn in 0..20_u32 {
                // The same burst at another pace: what is owed stays the same number of tokens.
                bucket.reconfigure(limit(if turn % 2 == 0 { 2e-4 } else { 1e-4 }, 100).into());
                bucket.forget_full();
                assert!(bucket.top_keys(3).len() <= 3);
            }
        });
    });
    let taken: Vec<_> = taken.iter().map(|taken| taken.load(Ordering::Relaxed)).collect();
    assert_eq!(taken, [100; 20]);
}

#[test]
fn a_function_that_panics_leaves_the_buckets_usable() {
    let bucket = KeyedTokenBucket::with_limits(limit(1.0, 5), |key: &u64| {
        assert_ne!(*key, 13, "asked to");
        None
    });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bucket.try_acquire(&13, 1))).is_err());
    assert!(bucket.try_acquire(&12, 1).is_ok());
}

#[test]
fn public_types_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    shared::<KeyedTokenBucket<String>>();
    shared::<KeyedRateLimitLayer<String, fn(&Request) -> Option<String>>>();
    shared::<plugin_ratelimit::KeyedRateLimitHandle<String>>();
    shared::<plugin_ratelimit::KeyedRateLimit<RateLimitLayer, String, fn(&Request) -> Option<String>>>();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn each_key_is_decided_as_governor_does(
        interval in 100u32..2_000_000, burst in 1u32..50,
        steps in prop::collection::vec((0u64..1_000_000, 0u64..8, 1u32..60), 1..300),
    ) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_nanos(interval.into())).expect("not zero");
        let quota = quota.allow_burst(NonZeroU32::new(burst).expect("not zero"));
        let peer = RateLimiter::hashmap_with_clock(quota, clock.clone());
        let bucket = KeyedTokenBucket::<u64>::new(limit(1e9 / f64::from(interval), burst));
        let mut now = Instant::from_nanos(1 << 40);
        for (step, key, cost) in steps {
            clock.advance(Duration::from_nanos(step));
            now = now.saturating_add(Duration::from_nanos(step));
            let ours = bucket.try_acquire_at(&key, cost, now);
            match peer.check_key_n(&key, NonZeroU32::new(cost).expect("not zero")) {
                Err(_) => prop_assert_eq!(ours.map_err(|refused| refused.retry_after()), Err(None)),
                Ok(theirs) => prop_assert_eq!(ours.is_ok(), theirs.is_ok()),
            }
        }
    }
}
