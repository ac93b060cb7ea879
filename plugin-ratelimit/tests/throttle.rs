//! Throttling at the caller.
#![cfg(not(loom))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use plugin_core::{Call, Code, PluginError, Rejected, Reply, deadline::DeadlineLayer};
use plugin_ratelimit::throttle::{AdaptiveThrottleConfig, AdaptiveThrottleLayer};
use tokio_test::task;
use tower::{Layer, Service, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Turns calls away beyond so many of each hundred, and counts all that come.
fn taking(percent: u32) -> (Arc<AtomicU32>, impl Service<(), Response = (), Error = Rejected, Future: Send> + Clone) {
    let came = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&came);
    let service = service_fn(move |()| {
        let is_taken = counter.fetch_add(1, Ordering::Relaxed) % 100 < percent;
        async move { if is_taken { Ok(()) } else { Err(Rejected::overloaded()) } }
    });
    (came, service)
}

/// A thousand requests in ten seconds.
async fn thousand<S: Service<(), Response = (), Error = Rejected> + Clone>(service: &S) -> u32 {
    let mut shed = 0;
    for _ in 0..1000 {
        let result = service.clone().oneshot(()).await;
        shed += u32::from(result.is_err_and(|rejected| rejected.code() == Code::Shed));
        tokio::time::advance(10 * MS).await;
    }
    shed
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_half_of_what_is_sent_is_sent_everything() {
    let layer = AdaptiveThrottleLayer::default();
    let (came, service) = taking(50);
    let stack = layer.layer(service);
    // The first fifty of each hundred are those that are taken, so that there is never more than that turned away.
    assert_eq!(thousand(&stack).await, 0);
    assert_eq!(came.load(Ordering::Relaxed), 1000);
    let stats = layer.handle().stats();
    assert_eq!((stats.requests, stats.accepts, stats.refused), (1000, 500, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_that_takes_everything_is_sent_everything() {
    let layer = AdaptiveThrottleLayer::default();
    let slow = layer.layer(service_fn(|(): ()| async {
        tokio::time::sleep(5 * SECOND).await;
        Ok::<_, Rejected>(())
    }));
    // Also after a silence that is longer than the window.
    for round in ["at first", "after the silence"] {
        let mut calls = Vec::new();
        for _ in 0..500 {
            calls.push(tokio::spawn(slow.clone().oneshot(())));
            tokio::time::sleep(50 * MS).await;
        }
        for call in calls {
            call.await.expect("no panic").expect("taken");
        }
        assert_eq!(layer.handle().stats().refused, 0, "{round}");
        tokio::time::advance(200 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_nothing_is_hardly_sent_anything() {
    let layer = AdaptiveThrottleLayer::default();
    let (came, service) = taking(0);
    let shed = thousand(&layer.layer(service)).await;
    let came = came.load(Ordering::Relaxed);
    assert_eq!(came + shed, 1000);
    // One in n + 1 of the n-th: the sum is the logarithm of a thousand.
    assert!((1..30).contains(&came), "{came}");
    assert!(layer.handle().stats().refused_share > 0.99);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_a_tenth_is_sent_about_twice_what_it_takes() {
    let layer = AdaptiveThrottleLayer::default();
    let taken = Arc::new(AtomicU32::new(0));
    // One in each hundred milliseconds, whatever comes.
    let service = service_fn({
        let taken = Arc::clone(&taken);
        let (start, last) = (tokio::time::Instant::now(), Arc::new(AtomicU32::new(u32::MAX)));
        move |()| {
            let tenth = (start.elapsed().as_millis() / 100) as u32;
            let is_taken = last.swap(tenth, Ordering::Relaxed) != tenth;
            taken.fetch_add(u32::from(is_taken), Ordering::Relaxed);
            async move { if is_taken { Ok(()) } else { Err(Rejected::overloaded()) } }
        }
    });
    let stack = layer.layer(service);
    for _ in 0..5 {
        thousand(&stack).await;
    }
    let stats = layer.handle().stats();
    let (sent, taken) = (5000 - stats.refused, u64::from(taken.load(Ordering::Relaxed)));
    assert!(taken > 300, "{taken} are taken of 500 that could be");
    assert!((taken * 17 / 10..taken * 23 / 10).contains(&sent), "{sent} were sent, and {taken} taken");
}

#[tokio::test(start_paused = true)]
async fn it_is_over_when_the_window_has_passed() {
    let config = AdaptiveThrottleConfig::builder().with_window(10 * SECOND).build().expect("valid");
    let layer = AdaptiveThrottleLayer::new(config);
    let (_, none) = taking(0);
    thousand(&layer.layer(none)).await;
    assert!(layer.handle().stats().refused_share > 0.99);
    tokio::time::advance(11 * SECOND).await;
    let (came, all) = taking(100);
    assert_eq!(thousand(&layer.layer(all)).await, 0);
    assert_eq!(came.load(Ordering::Relaxed), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_throttle_refuses_nothing_and_counts_on() {
    let layer = AdaptiveThrottleLayer::disabled();
    let handle = layer.handle();
    let (came, service) = taking(0);
    let stack = layer.layer(service);
    assert_eq!(thousand(&stack).await, 0);
    assert_eq!((came.load(Ordering::Relaxed), handle.stats().requests), (1000, 1000));
    handle.enable();
    assert!(handle.is_enabled() && thousand(&stack).await > 900);
    handle.disable();
    assert_eq!(thousand(&stack).await, 0);
}

#[tokio::test(start_paused = true)]
async fn errors_of_another_kind_are_accepted_and_so_is_a_call_that_is_dropped() {
    let layer = AdaptiveThrottleLayer::default();
    let failing = layer.layer(service_fn(|(): ()| async { Err::<(), _>(PluginError::execution("broken")) }));
    let hung = layer.layer(service_fn(|(): ()| std::future::pending::<Result<(), PluginError>>()));
    for _ in 0..50 {
        assert!(failing.clone().oneshot(()).await.is_err());
        assert!(task::spawn(hung.clone().oneshot(())).poll().is_pending());
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.requests, stats.accepts), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_had_its_time_has_not_accepted() {
    let layer = AdaptiveThrottleLayer::default();
    let hung = service_fn(|_: Call<u8>| std::future::pending::<Result<Reply<u8>, PluginError>>());
    let stack = DeadlineLayer::new(SECOND).layer(layer.clone().for_calls().layer(hung));
    // At once, so that neither is refused for the other.
    let hurried = Call::new(1).with_timeout(10 * MS);
    let (usual, hurried) = tokio::join!(stack.clone().oneshot(Call::new(1)), stack.oneshot(hurried));
    for result in [usual, hurried] {
        assert_eq!(result.expect_err("its time is up").code(), Code::Timeout);
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.requests, stats.accepts), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_ready_and_refused_is_said_to_be_unused() {
    // A layer further in that reserves when it is ready must get that back: the keeper clones.
    let layer = AdaptiveThrottleLayer::default();
    let (_, none) = taking(0);
    let mut kept = layer.layer(none);
    thousand(&kept).await;
    let mut cloned = 0;
    for _ in 0..100 {
        let call = plugin_core::readiness::call_or(&mut kept, (), |service| {
            cloned += 1;
            service.clone()
        });
        let _ = call.await;
    }
    assert!(cloned > 90, "{cloned}");
}

#[test]
fn public_types_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    shared::<AdaptiveThrottleLayer>();
    shared::<AdaptiveThrottleConfig>();
    shared::<plugin_ratelimit::throttle::AdaptiveThrottleHandle>();
}
/// How many windows pass, with so many requests in each at an even rate, from when a service that was away for three of them is
/// well again until less than a hundredth is refused here.
async fn windows_until_it_is_over(multiplier: f64, requests: u32) -> f64 {
    const WINDOW: Duration = Duration::from_secs(24);
    const PARTS: u32 = 24;
    let config = AdaptiveThrottleConfig::builder().with_multiplier(multiplier).with_window(WINDOW);
    let layer = AdaptiveThrottleLayer::new(config.build().expect("valid"));
    let (away, well) = (layer.clone().layer(taking(0).1), layer.clone().layer(taking(100).1));
    for _ in 0..3 * requests {
        let _refused = away.clone().oneshot(()).await;
        tokio::time::advance(WINDOW / requests).await;
    }
    for part in 1..=100 * PARTS {
        for _ in 0..requests / PARTS {
            let _result = well.clone().oneshot(()).await;
            tokio::time::advance(WINDOW / requests).await;
        }
        if layer.handle().stats().refused_share < 0.01 {
            return f64::from(part) / f64::from(PARTS);
        }
    }
    f64::INFINITY
}

/// The mean of forty: who is sent is drawn.
async fn mean_until_it_is_over(multiplier: f64, requests: u32) -> f64 {
    let mut windows = 0.0;
    for _ in 0..40 {
        windows += windows_until_it_is_over(multiplier, requests).await;
    }
    windows / 40.0
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_it_is_over_within_some_windows_and_later_with_a_smaller_multiplier() {
    let [small, usual, large] = [
        mean_until_it_is_over(1.5, 120).await,
        mean_until_it_is_over(2.0, 120).await,
        mean_until_it_is_over(3.0, 120).await,
    ];
    assert!((2.0..5.5).contains(&usual), "{usual} windows with K 2");
    assert!(small > 1.25 * usual && usual > 1.1 * large, "{small}, {usual} and {large} windows");
}
