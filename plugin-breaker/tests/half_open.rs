//! Probes: how many, how long, and that nothing a caller does wedges the circuit.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::*;
use plugin_breaker::{Breaker, Cancelled, CircuitBreakerConfig, CircuitState};
use plugin_core::{Code, Rejected};
use tower::{Layer, ServiceExt, service_fn};

fn tripped(config: CircuitBreakerConfig) -> Breaker {
    let breaker = Breaker::new(config);
    while breaker.state() == CircuitState::Closed {
        breaker.try_acquire().expect("closed").failure();
    }
    breaker
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_callers_at_once_no_more_than_the_probes_pass() {
    for limit in [1, 2, 7] {
        let layer = layer(config().with_half_open_max(limit).with_success_threshold(1000));
        layer.handle().force_open();
        advance(30 * SECOND).await;
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, top) = (Arc::clone(&running), Arc::clone(&most));
        let stack = layer.layer(service_fn(move |(): ()| {
            let (now, top) = (Arc::clone(&now), Arc::clone(&top));
            async move {
                top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(SECOND).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, plugin_core::BoxError>(())
            }
        }));
        let callers: Vec<_> = (0..1000).map(|_| tokio::spawn(stack.clone().oneshot(()))).collect();
        let mut passed = 0;
        for caller in callers {
            passed += u32::from(caller.await.expect("no panic").is_ok());
        }
        assert_eq!((passed, most.load(Ordering::SeqCst)), (limit, limit as usize));
        assert_eq!(layer.handle().stats().probes, 0);
    }
}

#[test]
fn of_a_thousand_callers_on_threads_no_more_than_the_probes_pass() {
    let at_once = std::time::Duration::from_nanos(1);
    let config = config().with_half_open_max(3).with_success_threshold(1000).with_recovery_timeout(at_once);
    let breaker = tripped(config.with_half_open_timeout(1000 * SECOND).build().expect("valid"));
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let permits: Vec<_> = (0..125).filter_map(|_| breaker.try_acquire_owned().ok()).collect();
                    let count = permits.len();
                    // Held to the end, as a call that runs.
                    std::mem::forget(permits);
                    count
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(passed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_gives_its_place_back() {
    let breaker = tripped(CircuitBreakerConfig::default());
    advance(30 * SECOND).await;
    for _ in 0..100 {
        let first = breaker.try_acquire().expect("a place");
        let second = breaker.try_acquire().expect("a second place");
        assert!(first.is_probe() && second.is_probe());
        assert!(breaker.try_acquire().is_err());
        drop((first, second));
    }
    assert_eq!((breaker.state(), breaker.stats().probes), (CircuitState::HalfOpen, 0));
    breaker.try_acquire().expect("a place").success();
    breaker.try_acquire().expect("a place").success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_ignored_probe_gives_its_place_back_and_decides_nothing() {
    let breaker = tripped(CircuitBreakerConfig::default());
    advance(30 * SECOND).await;
    for _ in 0..10 {
        breaker.try_acquire().expect("a place").ignore();
    }
    assert_eq!((breaker.state(), breaker.stats().probes), (CircuitState::HalfOpen, 0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_held_forever_expires_by_age_and_the_circuit_recovers() {
    let layer = layer(config().with_half_open_timeout(5 * SECOND).with_recovery_timeout(10 * SECOND));
    let stack = over(&layer);
    layer.handle().force_open();
    advance(10 * SECOND).await;
    // Two futures that are polled once and then only held.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut future = Box::pin(stack.clone().oneshot(Will::Hang));
        assert!(poll_once(&mut future).is_pending());
        held.push(future);
    }
    assert_eq!(refusal(&stack, Will::Succeed).await, Some(Code::CircuitOpen));
    advance(5 * SECOND).await;
    let error = call(&stack, Will::Succeed).await.expect_err("found the probe");
    let rejected = *Rejected::find(&*error).expect("a refusal");
    assert_eq!((rejected.code(), rejected.retry_after()), (Code::CircuitProbeTimeout, Some(10 * SECOND)));
    assert_eq!(layer.handle().state(), CircuitState::Open);
    advance(10 * SECOND).await;
    calls(&stack, Will::Succeed, 2).await;
    assert_eq!(layer.handle().state(), CircuitState::Closed);
    drop(held);
    assert_eq!(layer.handle().stats().cancelled, 0, "they belong to an earlier stay");
    assert_eq!(layer.handle().stats().stale, 2);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_probe_does_not_wedge_the_circuit() {
    let breaker = tripped(CircuitBreakerConfig::default());
    advance(30 * SECOND).await;
    std::mem::forget(breaker.try_acquire().expect("a place"));
    std::mem::forget(breaker.try_acquire().expect("a place"));
    advance(30 * SECOND).await;
    assert_eq!(breaker.try_acquire().expect_err("expired").code(), Code::CircuitProbeTimeout);
    advance(30 * SECOND).await;
    breaker.try_acquire().expect("a place").success();
    breaker.try_acquire().expect("a place").success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_is_a_failure_or_slow_where_the_settings_say_so() {
    let slow = config().with_slow_calls(SECOND, 0.5).with_cancelled(Cancelled::Slow);
    for config in [config().with_cancelled(Cancelled::Failure), slow] {
        let breaker = Breaker::new(config.build().expect("valid"));
        breaker.handle().force_open();
        advance(30 * SECOND).await;
        drop(breaker.try_acquire().expect("a place"));
        assert_eq!(breaker.state(), CircuitState::Open);
        assert_eq!((breaker.stats().cancelled, breaker.stats().probes), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_callers_do_the_circuit_closes_once_the_service_works() {
    let layer = layer(config().with_half_open_max(3).with_half_open_timeout(5 * SECOND));
    let stack = over(&layer);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..50 {
        layer.handle().force_open();
        advance(30 * SECOND).await;
        let mut held = Vec::new();
        for _ in 0..1000 {
            let will = random.choice([Will::Succeed, Will::Fail, Will::Hang, Will::Panic, Will::Refuse]).expect("one");
            let mut future = Box::pin(stack.clone().oneshot(will));
            let poll = std::panic::AssertUnwindSafe(|| poll_once(&mut future).is_pending());
            if std::panic::catch_unwind(poll).unwrap_or(false) && random.bool() {
                held.push(future);
            }
            assert!(layer.handle().stats().probes <= 3);
        }
        // The service is well again; callers come once a second.
        let mut waited = 0;
        while layer.handle().state() != CircuitState::Closed {
            advance(SECOND).await;
            calls(&stack, Will::Succeed, 1).await;
            waited += 1;
            assert!(waited < 100, "wedged: {:?}", layer.handle().stats());
        }
    }
}
