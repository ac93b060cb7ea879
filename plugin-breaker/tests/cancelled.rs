//! Calls that do not come to their end: dropped, panicked, or overtaken by a transition.

mod common;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use common::*;
use plugin_breaker::{Breaker, Cancelled, CircuitBreakerConfig, CircuitBreakerLayer, CircuitState};
use plugin_core::{BoxError, Verdict, deadline::cut};
use tower::{Layer, Service, ServiceExt};

#[tokio::test(start_paused = true)]
async fn a_dropped_call_counts_as_the_settings_say() {
    let slow = config().with_slow_calls(SECOND, 1.0).with_failure_threshold(0).with_cancelled(Cancelled::Slow);
    for (builder, opens_after) in
        [(config(), None), (config().with_cancelled(Cancelled::Failure), Some(5)), (slow, Some(10))]
    {
        let layer = layer(builder);
        let stack = over(&layer);
        let mut dropped = 0;
        while layer.handle().state() == CircuitState::Closed && dropped < 50 {
            let mut future = Box::pin(stack.clone().oneshot(Will::Hang));
            assert!(poll_once(&mut future).is_pending());
            drop(future);
            dropped += 1;
        }
        assert_eq!((layer.handle().state() == CircuitState::Open).then_some(dropped), opens_after);
        assert_eq!(layer.handle().stats().cancelled, dropped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_has_the_answer_of_another_attempt_counts_as_nothing_whatever_a_dropped_one_does() {
    let slow = config().with_slow_calls(SECOND, 1.0).with_failure_threshold(0).with_cancelled(Cancelled::Slow);
    for builder in [config(), config().with_cancelled(Cancelled::Failure), slow] {
        let layer = layer(builder);
        let stack = over(&layer);
        for _ in 0..20 {
            let mut future = Box::pin(stack.clone().oneshot(Will::Hang));
            assert!(poll_once(&mut future).is_pending());
            cut::drop_superseded(|| drop(future));
        }
        let stats = layer.handle().stats();
        assert_eq!((stats.state, stats.failures, stats.cancelled), (CircuitState::Closed, 0, 20), "{stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_its_first_poll_is_cancelled_too() {
    let layer = layer(config());
    let mut stack = over(&layer);
    let future = stack.ready().await.expect("ready").call(Will::Succeed);
    drop(future);
    assert_eq!(layer.handle().stats().cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_wherever_it_happens() {
    let layer = layer(config());
    let stack = over(&layer);
    for will in [Will::Panic, Will::PanicInCall, Will::Panic, Will::PanicInCall, Will::Panic] {
        let task = tokio::spawn(stack.clone().oneshot(will));
        assert!(task.await.expect_err("a panic").is_panic());
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.failures, stats.cancelled, stats.state), (5, 0, CircuitState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_is_a_failure() {
    let layer =
        CircuitBreakerLayer::default().classify(|_: Result<&(), &BoxError>| -> Verdict { panic!("unjudgeable") });
    let stack = layer.layer(Obedient);
    let task = tokio::spawn(stack.oneshot(Will::Succeed));
    assert!(task.await.expect_err("a panic").is_panic());
    assert_eq!((layer.handle().stats().failures, layer.handle().stats().cancelled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_ready_and_dropped_holds_nothing() {
    let layer = layer(config());
    layer.handle().force_open();
    advance(30 * SECOND).await;
    for _ in 0..10 {
        let mut stack = over(&layer);
        stack.ready().await.expect("ready");
    }
    assert_eq!((layer.handle().stats().probes, layer.handle().stats().cancelled), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn results_of_calls_from_before_a_transition_do_not_count() {
    let breaker = Breaker::new(CircuitBreakerConfig::default());
    let acquire = || breaker.try_acquire().expect("passes");
    let (late_success, late_failure, late_drop) = (acquire(), acquire(), acquire());
    (0..5).for_each(|_| acquire().failure());
    advance(30 * SECOND).await;
    let probe = acquire();
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    late_success.success();
    late_failure.failure();
    drop(late_drop);
    let stats = breaker.stats();
    assert_eq!((stats.state, stats.stale, stats.probes), (CircuitState::HalfOpen, 3, 1));
    assert_eq!((stats.successes, stats.failures, stats.cancelled), (0, 5, 0));
    probe.success();
    acquire().success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_an_earlier_half_open_time_neither_closes_nor_frees_a_place() {
    let breaker = Breaker::new(config().with_success_threshold(1).build().expect("valid"));
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let old = breaker.try_acquire().expect("a probe");
    breaker.handle().force_open();
    advance(30 * SECOND).await;
    let new = breaker.try_acquire().expect("a probe of the next time");
    old.success();
    assert_eq!((breaker.state(), breaker.stats().probes), (CircuitState::HalfOpen, 1));
    assert!(breaker.try_acquire().is_err(), "the place is taken");
    new.success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

/// Pending a number of times, then ready.
struct Steps(usize, bool);

impl Future for Steps {
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0 == 0 {
            return Poll::Ready(if self.1 { Ok(()) } else { Err("failed".into()) });
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[derive(Clone)]
struct Stepwise(usize, bool);

impl Service<()> for Stepwise {
    type Response = ();
    type Error = BoxError;
    type Future = Steps;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Steps {
        Steps(self.0, self.1)
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_at_every_poll_point_leaves_no_probe_and_no_count_behind() {
    const POLLS: usize = 5;
    for half_open in [false, true] {
        for succeeds in [false, true] {
            for dropped_after in 0..=POLLS + 1 {
                let layer = layer(config().with_half_open_max(1).with_success_threshold(3));
                if half_open {
                    layer.handle().force_open();
                    advance(30 * SECOND).await;
                }
                let mut stack = layer.layer(Stepwise(POLLS, succeeds));
                let mut future = Box::pin(stack.ready().await.expect("ready").call(()));
                let ended = (0..dropped_after).any(|_| poll_once(&mut future).is_ready());
                assert_eq!(ended, dropped_after > POLLS);
                drop(future);
                let stats = layer.handle().stats();
                assert_eq!(stats.probes, 0);
                assert_eq!(stats.successes + stats.failures + stats.cancelled, 1);
                assert_eq!(stats.cancelled, u64::from(!ended));
                assert_eq!(stats.successes, u64::from(ended && succeeds));
                let passes = layer.breaker().try_acquire().is_ok();
                assert_eq!(passes, !(half_open && ended && !succeeds), "{stats:?}");
            }
        }
    }
}
