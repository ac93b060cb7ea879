//! Defects seen in other breakers, each under its name.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::*;
use plugin_breaker::{Breaker, Cancelled, CircuitState, Window};
use tower::ServiceExt;

#[tokio::test(start_paused = true)]
async fn breaker_wedged_in_half_open_after_one_failure_and_one_success() {
    for failure_first in [true, false] {
        let breaker = Breaker::default();
        breaker.handle().force_open();
        advance(30 * SECOND).await;
        let (first, second) = (breaker.try_acquire().expect("a probe"), breaker.try_acquire().expect("a probe"));
        if failure_first {
            first.failure();
            second.success();
        } else {
            first.success();
            second.failure();
        }
        assert_eq!(breaker.state(), CircuitState::Open);
        advance(30 * SECOND).await;
        breaker.try_acquire().expect("not wedged").success();
        breaker.try_acquire().expect("not wedged").success();
        assert_eq!(breaker.state(), CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn count_window_that_never_slides() {
    let rate = config().with_failure_threshold(0).with_failure_rate(0.5).with_window(Window::Calls(10));
    let breaker = Breaker::new(rate.build().expect("valid"));
    (0..1000).for_each(|_| breaker.try_acquire().expect("closed").success());
    (0..4).for_each(|_| breaker.try_acquire().expect("closed").failure());
    assert_eq!(breaker.state(), CircuitState::Closed);
    breaker.try_acquire().expect("closed").failure();
    assert_eq!(breaker.state(), CircuitState::Open, "five of the last ten, whatever was before");
}

#[tokio::test(start_paused = true)]
async fn stale_result_closing_the_circuit() {
    let breaker = Breaker::new(config().with_success_threshold(1).build().expect("valid"));
    let late: Vec<_> = (0..10).map(|_| breaker.try_acquire().expect("closed")).collect();
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let probe = breaker.try_acquire().expect("a probe");
    late.into_iter().for_each(plugin_breaker::Permit::success);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    probe.failure();
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn dropped_call_invisible_to_the_breaker() {
    let layer = layer(config().with_cancelled(Cancelled::Failure));
    let stack = over(&layer);
    for _ in 0..5 {
        let call = tokio::time::timeout(SECOND, stack.clone().oneshot(Will::Hang));
        assert!(call.await.is_err());
    }
    assert_eq!(layer.handle().state(), CircuitState::Open, "callers that give up are evidence when so configured");
}

#[tokio::test(start_paused = true)]
async fn listener_that_deadlocks() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    let heard = Arc::new(AtomicUsize::new(0));
    let (count, inner) = (Arc::clone(&heard), handle.clone());
    // The listener uses the breaker that it listens to, and commands it.
    let listener = tokio::spawn(handle.events().for_each(move |event| {
        count.fetch_add(1, Ordering::SeqCst);
        assert_ne!(inner.stats().since, plugin_core::clock::Instant::ZERO);
        let _ = inner.events();
        if event.to == CircuitState::Open {
            inner.reset();
        }
    }));
    let calls = async {
        for _ in 0..3 {
            calls(&stack, Will::Fail, 5).await;
            tokio::time::sleep(MILLI).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), calls).await.expect("no deadlock");
    assert_eq!(heard.load(Ordering::SeqCst), 6, "three times open, three times reset");
    assert_eq!(layer.handle().state(), CircuitState::Closed);
    listener.abort();
}

#[tokio::test(start_paused = true)]
async fn listener_that_delays_calls() {
    let layer = layer(config());
    let mut events = layer.handle().events();
    // Never reads, while there are more transitions than are kept.
    for _ in 0..100 {
        calls(&over(&layer), Will::Fail, 5).await;
        layer.handle().reset();
    }
    assert_eq!(layer.handle().stats().opened, 100);
    assert!(events.try_next().expect("the oldest that is kept").sequence > 100);
}

#[tokio::test(start_paused = true)]
async fn layer_that_makes_a_new_circuit_per_layer_call() {
    let layer = layer(config());
    let routes: Vec<_> = (0..50).map(|_| over(&layer)).collect();
    for route in &routes[..5] {
        calls(route, Will::Fail, 1).await;
    }
    for route in &routes {
        assert!(refusal(route, Will::Succeed).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_taken_by_a_service_that_is_polled_ready_and_never_called() {
    let layer = layer(config().with_half_open_max(1).with_success_threshold(1));
    layer.handle().force_open();
    advance(30 * SECOND).await;
    let mut idle: Vec<_> = (0..10).map(|_| over(&layer)).collect();
    for stack in &mut idle {
        stack.ready().await.expect("ready");
    }
    calls(&over(&layer), Will::Succeed, 1).await;
    assert_eq!(layer.handle().state(), CircuitState::Closed);
}
