//! What go-plugins documents, and the defaults.

mod common;

use std::time::Duration;

use common::*;
use plugin_breaker::CircuitState;
use plugin_core::{Code, Rejected, clock};

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_the_circuit_and_a_success_starts_the_row_anew() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    calls(&stack, Will::Fail, 4).await;
    calls(&stack, Will::Succeed, 1).await;
    calls(&stack, Will::Fail, 4).await;
    assert_eq!(handle.state(), CircuitState::Closed);
    calls(&stack, Will::Fail, 1).await;
    assert_eq!(handle.state(), CircuitState::Open);
    assert_eq!(refusal(&stack, Will::Succeed).await, Some(Code::CircuitOpen));
}

#[tokio::test(start_paused = true)]
async fn failures_open_nothing_before_the_minimum_of_requests() {
    let layer = layer(config().with_failure_threshold(1));
    let (stack, handle) = (over(&layer), layer.handle());
    calls(&stack, Will::Fail, 1).await;
    calls(&stack, Will::Succeed, 1).await;
    assert_eq!(handle.state(), CircuitState::Closed, "two requests, and three are the minimum");
    calls(&stack, Will::Fail, 1).await;
    assert_eq!(handle.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn thirty_seconds_later_two_successful_probes_close_it() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    calls(&stack, Will::Fail, 5).await;
    advance(30 * SECOND - MILLI).await;
    assert_eq!(refusal(&stack, Will::Succeed).await, Some(Code::CircuitOpen));
    advance(MILLI).await;
    assert!(call(&stack, Will::Succeed).await.is_ok());
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    assert!(call(&stack, Will::Succeed).await.is_ok());
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn any_failed_probe_opens_it_again_for_the_whole_time() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    calls(&stack, Will::Fail, 5).await;
    advance(30 * SECOND).await;
    calls(&stack, Will::Succeed, 1).await;
    calls(&stack, Will::Fail, 1).await;
    assert_eq!(handle.state(), CircuitState::Open);
    advance(30 * SECOND - MILLI).await;
    assert!(refusal(&stack, Will::Succeed).await.is_some());
    advance(MILLI).await;
    calls(&stack, Will::Succeed, 2).await;
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_refusal_says_how_much_time_is_left() {
    let layer = layer(config());
    let stack = over(&layer);
    calls(&stack, Will::Fail, 5).await;
    advance(12 * SECOND).await;
    let error = call(&stack, Will::Succeed).await.expect_err("open");
    let rejected = Rejected::find(&*error).expect("a refusal");
    assert_eq!(rejected.retry_after(), Some(18 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn every_documented_setting_has_effect() {
    let layer = layer(
        config()
            .with_failure_threshold(2)
            .with_min_request_threshold(0)
            .with_success_threshold(3)
            .with_recovery_timeout(SECOND),
    );
    let (stack, handle) = (over(&layer), layer.handle());
    calls(&stack, Will::Fail, 2).await;
    assert_eq!(handle.state(), CircuitState::Open);
    advance(SECOND).await;
    calls(&stack, Will::Succeed, 2).await;
    assert_eq!(handle.state(), CircuitState::HalfOpen);
    calls(&stack, Will::Succeed, 1).await;
    assert_eq!(handle.state(), CircuitState::Closed);
    let off = common::layer(config().with_enabled(false));
    calls(&over(&off), Will::Fail, 100).await;
    assert_eq!(off.handle().state(), CircuitState::Disabled);
    assert!(call(&over(&off), Will::Succeed).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_statistics_tell_states_counts_the_last_failure_and_the_next_attempt() {
    let layer = layer(config());
    let (stack, handle) = (over(&layer), layer.handle());
    calls(&stack, Will::Succeed, 7).await;
    calls(&stack, Will::Refuse, 2).await;
    calls(&stack, Will::Fail, 5).await;
    calls(&stack, Will::Fail, 3).await;
    let (now, stats) = (clock::now(), handle.stats());
    assert_eq!((stats.successes, stats.failures, stats.ignored, stats.rejected), (7, 5, 2, 3));
    assert_eq!(stats.requests(), 14);
    assert_eq!((stats.state, stats.opened), (CircuitState::Open, 1));
    assert_eq!((stats.last_failure, stats.since), (Some(now), now));
    assert_eq!(stats.next_attempt, Some(now.saturating_add(Duration::from_secs(30))));
    handle.reset();
    let stats = handle.stats();
    assert_eq!((stats.state, stats.next_attempt, stats.failures), (CircuitState::Closed, None, 5));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_an_inner_layer_is_no_failure_of_the_service() {
    let layer = layer(config());
    let stack = over(&layer);
    calls(&stack, Will::Refuse, 50).await;
    let stats = layer.handle().stats();
    assert_eq!((stats.state, stats.ignored, stats.failures), (CircuitState::Closed, 50, 0));
}
