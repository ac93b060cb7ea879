//! Probes: how many, how long, and that nothing a caller does wedges the circuit.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::*;
use plugin_breaker::{Breaker, Cancelled, CircuitBreakerConfig, CircuitState};
use plugin_core::{Code, PluginError, Rejected};
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
async fn a_probe_that_is_held_forever_gives_up_its_place_and_the_circuit_recovers() {
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
    advance(5 * SECOND - MILLI).await;
    assert_eq!(refusal(&stack, Will::Succeed).await, Some(Code::CircuitOpen));
    advance(MILLI).await;
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
    advance(30 * SECOND - MILLI).await;
    assert_eq!(breaker.try_acquire().expect_err("full").code(), Code::CircuitOpen);
    advance(MILLI).await;
    breaker.try_acquire().expect("a place").success();
    breaker.try_acquire().expect("a place").success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_slower_than_the_open_time_closes_the_circuit() {
    // By the default, and where the settings themselves are too short for it.
    for config in [config(), config().with_half_open_timeout(SECOND), config().with_half_open_timeout(SECOND / 2)] {
        let layer = layer(config.with_recovery_timeout(SECOND));
        let stack = layer.layer(service_fn(|(): ()| async {
            tokio::time::sleep(SECOND * 3 / 2).await;
            Ok::<_, Rejected>(())
        }));
        layer.handle().force_open();
        // A caller every 10 ms for a minute.
        let callers = (0..6000).map(|index| {
            let stack = stack.clone();
            tokio::spawn(async move {
                tokio::time::sleep(10 * MILLI * index).await;
                stack.oneshot(()).await.is_ok()
            })
        });
        let mut refused = 0;
        for caller in callers.collect::<Vec<_>>() {
            refused += u32::from(!caller.await.expect("no panic"));
        }
        let stats = layer.handle().stats();
        assert_eq!((stats.state, stats.opened), (CircuitState::Closed, 1));
        assert!(refused < 260, "{refused} of 6000 refused: 1 s open and 1.5 s half-open are 250");
    }
}

#[tokio::test(start_paused = true)]
async fn the_late_success_of_a_probe_counts_while_the_circuit_is_half_open() {
    let breaker = Breaker::new(config().with_half_open_timeout(5 * SECOND).build().expect("valid"));
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let late = [(); 2].map(|()| breaker.try_acquire_owned().expect("a place"));
    advance(60 * SECOND).await;
    let young = [(); 2].map(|()| breaker.try_acquire_owned().expect("places were given up"));
    let [one, two] = late;
    one.success();
    assert_eq!((breaker.state(), breaker.stats().probes), (CircuitState::HalfOpen, 2));
    two.success();
    assert_eq!((breaker.state(), breaker.stats().successes), (CircuitState::Closed, 2));
    drop(young);
    assert_eq!(breaker.stats().stale, 2);
}

#[tokio::test(start_paused = true)]
async fn the_late_failure_of_a_probe_opens_the_circuit_as_any_other_does() {
    let breaker = Breaker::new(config().with_half_open_timeout(5 * SECOND).build().expect("valid"));
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let late = breaker.try_acquire_owned().expect("a place");
    advance(5 * SECOND).await;
    breaker.try_acquire().expect("a place").success();
    late.failure();
    assert_eq!((breaker.state(), breaker.stats().opened), (CircuitState::Open, 2));
}

#[tokio::test(start_paused = true)]
async fn a_late_probe_that_is_dropped_or_ignored_changes_nothing() {
    let breaker = Breaker::new(config().with_half_open_timeout(5 * SECOND).build().expect("valid"));
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let late = [(); 2].map(|()| breaker.try_acquire_owned().expect("a place"));
    advance(5 * SECOND).await;
    let young = [(); 2].map(|()| breaker.try_acquire_owned().expect("a place"));
    let [one, two] = late;
    drop(one);
    two.ignore();
    let stats = breaker.stats();
    assert_eq!((stats.state, stats.probes, stats.cancelled, stats.ignored), (CircuitState::HalfOpen, 2, 1, 1));
    assert!(breaker.try_acquire().is_err(), "no place came free");
    drop(young);
}

#[tokio::test(start_paused = true)]
async fn callers_hear_of_a_probe_that_outlived_its_time_until_it_has_ended() {
    let breaker = Breaker::new(config().with_half_open_timeout(5 * SECOND).build().expect("valid"));
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let late = [(); 2].map(|()| breaker.try_acquire_owned().expect("a place"));
    assert_eq!(breaker.try_acquire().expect_err("full"), Rejected::probes_running(100 * MILLI));
    advance(5 * SECOND).await;
    let young = [(); 2].map(|()| breaker.try_acquire_owned().expect("a place"));
    let timed_out = |left| Rejected::new(Code::CircuitProbeTimeout).with_retry_after(left);
    // By whoever asks under the lock, and by the words that calls read without it.
    assert_eq!(breaker.try_acquire().expect_err("full"), timed_out(5 * SECOND));
    advance(2 * SECOND).await;
    assert_eq!(breaker.try_acquire().expect_err("full"), timed_out(3 * SECOND));
    let [one, two] = late;
    drop(one);
    assert_eq!(breaker.try_acquire().expect_err("full"), timed_out(3 * SECOND));
    drop(two);
    assert_eq!(breaker.try_acquire().expect_err("full"), Rejected::probes_running(2 * SECOND));
    drop(young);
}

#[tokio::test(start_paused = true)]
async fn who_finds_all_places_taken_is_told_to_come_back_after_as_long_as_the_oldest_probe_has_run() {
    let breaker = Breaker::new(config().with_half_open_timeout(5 * SECOND).build().expect("valid"));
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let oldest = breaker.try_acquire_owned().expect("a place");
    advance(SECOND).await;
    let younger = breaker.try_acquire_owned().expect("a place");
    for (after, comes_back) in [(0, 1000), (500, 1500), (1500, 2000), (1950, 50)] {
        advance(after * MILLI).await;
        let refused = breaker.try_acquire().expect_err("full");
        assert_eq!(refused.retry_after(), Some(comes_back * MILLI), "{refused}");
        assert!(refused.is_retryable() && PluginError::from(refused).is_retryable());
        let text = refused.to_string();
        assert!(text.starts_with("the circuit is half-open, and its probes are running (CIRCUIT_1401);"), "{text}");
    }
    drop(oldest);
    drop(breaker.try_acquire_owned().expect("the place is free"));
    drop(younger);
    breaker.handle().isolate();
    let isolated = breaker.try_acquire().expect_err("isolated");
    assert_eq!((isolated, isolated.is_retryable()), (Rejected::circuit_open(None), false));
}

#[tokio::test(start_paused = true)]
async fn probes_that_hang_by_the_thousand_take_no_memory_and_never_stop_the_next_ones() {
    let breaker = Breaker::new(config().with_half_open_max(3).with_half_open_timeout(SECOND).build().expect("valid"));
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let mut passed = 0;
    let mut memory = 0;
    for round in 0..1000 {
        for _ in 0..10 {
            passed += breaker.try_acquire_owned().map_or(0, |permit| {
                std::mem::forget(permit);
                1
            });
        }
        let now = breaker.handle().memory();
        assert!(round == 0 || now == memory, "{now} bytes, and {memory} before");
        memory = now;
        assert_eq!((breaker.state(), breaker.stats().probes), (CircuitState::HalfOpen, 3));
        advance(SECOND).await;
    }
    assert_eq!(passed, 3000);
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
