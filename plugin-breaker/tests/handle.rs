//! What an operator sees and does.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use common::*;
use plugin_breaker::{Breaker, CircuitBreakerHandle, CircuitBreakerLayer, CircuitState, Reason};
use plugin_core::Code;

#[tokio::test(start_paused = true)]
async fn force_open_refuses_for_the_open_time_and_then_recovers() {
    let layer = layer(config());
    let stack = over(&layer);
    layer.handle().force_open();
    assert_eq!(refusal(&stack, Will::Succeed).await, Some(Code::CircuitOpen));
    advance(30 * SECOND).await;
    calls(&stack, Will::Succeed, 2).await;
    assert_eq!(layer.handle().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn isolate_refuses_until_the_next_command() {
    let layer = layer(config());
    let stack = over(&layer);
    layer.handle().isolate();
    advance(10_000 * SECOND).await;
    assert_eq!(refusal(&stack, Will::Succeed).await, Some(Code::CircuitOpen));
    assert_eq!(layer.handle().state(), CircuitState::Isolated);
    layer.handle().reset();
    assert!(call(&stack, Will::Succeed).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn force_closed_lets_calls_pass_and_goes_on_judging() {
    let layer = layer(config());
    let stack = over(&layer);
    layer.handle().isolate();
    layer.handle().force_closed();
    calls(&stack, Will::Fail, 4).await;
    assert_eq!(layer.handle().state(), CircuitState::Closed);
    calls(&stack, Will::Fail, 1).await;
    assert_eq!(layer.handle().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn disable_lets_everything_pass_and_counts_nothing() {
    let layer = layer(config());
    let stack = over(&layer);
    layer.handle().disable();
    calls(&stack, Will::Fail, 50).await;
    let stats = layer.handle().stats();
    assert_eq!((stats.state, stats.failures, stats.rejected), (CircuitState::Disabled, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn metrics_only_says_what_it_would_do_and_refuses_nothing() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    let mut events = handle.events();
    handle.metrics_only();
    calls(&stack, Will::Fail, 12).await;
    let stats = handle.stats();
    assert_eq!((stats.state, stats.failures, stats.rejected), (CircuitState::MetricsOnly, 12, 0));
    assert_eq!((stats.opened, stats.would_have_opened), (0, 2));
    assert_eq!(events.try_next().expect("the command").reason, Reason::Operator);
    let event = events.try_next().expect("what it would have done");
    assert_eq!((event.from, event.to), (CircuitState::MetricsOnly, CircuitState::MetricsOnly));
    assert_eq!(event.reason, Reason::Failures(5));
    handle.force_open();
    assert_eq!(refusal(&stack, Will::Succeed).await, Some(Code::CircuitOpen), "a command is obeyed");
}

#[tokio::test(start_paused = true)]
async fn events_tell_each_transition_once_and_in_order() {
    let layer = layer(config());
    let stack = over(&layer);
    let mut events = layer.handle().events();
    calls(&stack, Will::Fail, 5).await;
    advance(30 * SECOND).await;
    calls(&stack, Will::Fail, 1).await;
    advance(30 * SECOND).await;
    calls(&stack, Will::Succeed, 2).await;
    let mut seen = Vec::new();
    while let Some(event) = events.try_next() {
        seen.push((event.sequence, event.from.as_str(), event.to.as_str(), event.reason.to_string()));
    }
    let text = |text: &str| text.to_owned();
    assert_eq!(
        seen,
        [
            (1, "closed", "open", text("5 failures in a row")),
            (2, "open", "half-open", text("the open time is over")),
            (3, "half-open", "open", text("a probe failed")),
            (4, "open", "half-open", text("the open time is over")),
            (5, "half-open", "closed", text("enough probes succeeded")),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_disabled_is_enabled_again_and_what_is_enabled_stays_as_it_is() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    handle.disable();
    assert!(!handle.is_enabled());
    calls(&stack, Will::Fail, 5).await;
    handle.enable();
    assert_eq!((handle.is_enabled(), handle.state()), (true, CircuitState::Closed));
    calls(&stack, Will::Fail, 5).await;
    handle.enable();
    assert_eq!(
        (handle.is_enabled(), handle.state()),
        (true, CircuitState::Open),
        "the circuit that has opened stays open"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_started_anew_is_no_operator_and_closing_what_is_closed_is_no_event() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    let mut events = handle.events();
    calls(&stack, Will::Fail, 4).await;
    handle.reset_after_restart();
    handle.force_closed();
    handle.reset();
    assert!(events.try_next().is_none(), "closed -> closed");
    assert_eq!(handle.stats().failures_in_a_row, 0, "it has forgotten all the same");
    calls(&stack, Will::Fail, 5).await;
    handle.reset_after_restart();
    let seen: Vec<_> = std::iter::from_fn(|| events.try_next())
        .map(|event| (event.sequence, event.from.as_str(), event.to.as_str(), event.reason.to_string()))
        .collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        seen,
        [
            (1, "closed", "open", text("5 failures in a row")),
            (2, "open", "closed", text("the service was started anew")),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_lags_behind_sees_the_last_events_and_the_gap() {
    let breaker = Breaker::default();
    let mut events = breaker.handle().events();
    (0..100).for_each(|_| breaker.handle().force_open());
    assert_eq!(events.next().await.expect("kept").sequence, 37);
    let mut rest = 0;
    while events.try_next().is_some() {
        rest += 1;
    }
    assert_eq!(rest, 63);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_events_ends_with_the_breaker() {
    let breaker = Breaker::default();
    let handle = breaker.handle();
    let mut events = handle.events();
    handle.isolate();
    drop((breaker, handle));
    assert_eq!(events.next().await.expect("before the end").to, CircuitState::Isolated);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_listener_is_woken_by_a_transition() {
    let breaker = Breaker::default();
    let mut events = breaker.handle().events();
    let mut next = Box::pin(events.next());
    assert!(poll_once(&mut next).is_pending());
    breaker.handle().force_open();
    assert_eq!(next.await.expect("an event").open_for, Some(30 * SECOND));
}

#[test]
fn listeners_see_every_transition_that_threads_cause_in_the_order_of_the_states() {
    let breaker = Breaker::default();
    let mut events = breaker.handle().events();
    let seen = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| breaker.handle().force_open()));
        }
    });
    while let Some(event) = events.try_next() {
        assert_eq!(event.sequence, seen.fetch_add(1, Ordering::Relaxed) + 1);
    }
    assert_eq!(seen.load(Ordering::Relaxed), 40);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_layer_is_the_same_type_and_can_be_switched_on() {
    let layer: CircuitBreakerLayer = CircuitBreakerLayer::disabled();
    let stack = over(&layer);
    calls(&stack, Will::Fail, 20).await;
    assert_eq!(layer.handle().stats().failures, 0);
    layer.handle().reset();
    assert_eq!(layer.handle().state(), CircuitState::Disabled, "as the settings say");
    layer.handle().reconfigure(config().build().expect("valid"));
    calls(&stack, Will::Fail, 5).await;
    assert_eq!(layer.handle().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn all_services_and_clones_of_a_layer_are_one_breaker() {
    let layer = layer(config());
    for _ in 0..5 {
        let stack = over(&layer.clone());
        calls(&stack.clone(), Will::Fail, 1).await;
    }
    assert_eq!(layer.handle().state(), CircuitState::Open);
    assert_eq!(refusal(&over(&layer), Will::Succeed).await, Some(Code::CircuitOpen));
}

#[test]
fn what_is_shared_crosses_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Breaker>();
    shared::<CircuitBreakerHandle>();
    shared::<CircuitBreakerLayer>();
    shared::<Stack>();
    sent::<plugin_breaker::OwnedPermit>();
    sent::<plugin_breaker::Events>();
}
