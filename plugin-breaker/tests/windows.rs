//! Rates, slow calls, open times and live changes.

mod common;

use std::time::Duration;

use common::*;
use plugin_breaker::{Breaker, CircuitBreakerConfigBuilder, CircuitState, Reason, Window};
use plugin_core::{Code, clock};

fn breaker(builder: CircuitBreakerConfigBuilder) -> Breaker {
    Breaker::new(builder.build().expect("valid settings"))
}

fn rate(share: f64, window: Window) -> CircuitBreakerConfigBuilder {
    config().with_failure_threshold(0).with_failure_rate(share).with_window(window)
}

fn succeed(breaker: &Breaker, times: usize) {
    (0..times).for_each(|_| breaker.try_acquire().expect("closed").success());
}

/// Fails until the circuit opens; how many failures it took.
fn failures_to_open(breaker: &Breaker, at_most: u32) -> u32 {
    for count in 1..=at_most {
        breaker.try_acquire().expect("closed").failure();
        if breaker.state() == CircuitState::Open {
            return count;
        }
    }
    panic!("still closed after {at_most} failures")
}

#[tokio::test(start_paused = true)]
async fn a_total_outage_after_any_history_opens_within_the_share_of_the_window() {
    for (calls, share) in [(10u32, 0.5), (100, 0.5), (100, 0.05), (37, 0.9), (1000, 0.3), (1, 1.0)] {
        let due = (share * f64::from(calls)).ceil() as u32;
        for history in [0usize, 1, 50, 10_000] {
            for pattern in 0..4 {
                let breaker = breaker(rate(share, Window::Calls(calls)));
                for index in 0..history {
                    let permit = breaker.try_acquire().expect("closed");
                    // Never enough failures to open: every 40th at most, and none in the smallest windows.
                    match pattern {
                        1 if index % 40 == 39 && calls >= 100 => permit.failure(),
                        2 => permit.ignore(),
                        3 if index % 2 == 0 => drop(permit),
                        _ => permit.success(),
                    }
                    assert_eq!(breaker.state(), CircuitState::Closed, "{calls} {share} {pattern} {index}");
                }
                let took = failures_to_open(&breaker, due);
                assert!(took <= due);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_of_calls_opens_at_its_share_and_not_one_failure_earlier() {
    let breaker = breaker(rate(0.5, Window::Calls(10)));
    for _ in 0..100 {
        succeed(&breaker, 6);
        (0..4).for_each(|_| breaker.try_acquire().expect("closed").failure());
    }
    assert_eq!(breaker.state(), CircuitState::Closed, "40 % of any ten");
    let mut events = breaker.handle().events();
    assert_eq!(failures_to_open(&breaker, 5), 1);
    assert_eq!(events.try_next().expect("opened").reason, Reason::FailureRate(0.5));
}

#[tokio::test(start_paused = true)]
async fn a_window_of_time_forgets_what_is_older() {
    let breaker = breaker(rate(0.5, Window::Time(10 * SECOND)).with_min_calls(10));
    (0..9).for_each(|_| breaker.try_acquire().expect("closed").failure());
    assert_eq!(breaker.state(), CircuitState::Closed, "nine calls, and ten are the minimum");
    advance(10 * SECOND).await;
    assert_eq!(breaker.stats().window.expect("kept").calls, 0);
    succeed(&breaker, 10);
    assert_eq!(failures_to_open(&breaker, 10), 10);
}

#[tokio::test(start_paused = true)]
async fn an_outage_after_a_busy_time_opens_once_that_time_has_left_the_window() {
    let breaker = breaker(rate(0.5, Window::Time(10 * SECOND)).with_min_calls(10));
    succeed(&breaker, 100_000);
    let mut failures = 0;
    while breaker.state() == CircuitState::Closed {
        breaker.try_acquire().expect("closed").failure();
        failures += 1;
        advance(100 * MILLI).await;
    }
    assert!(failures <= 101, "{failures} failures in {} s", failures / 10);
}

#[tokio::test(start_paused = true)]
async fn a_time_window_is_flat_in_memory_up_to_100_000_calls_and_below_a_kilobyte() {
    let breaker = breaker(rate(0.5, Window::Time(60 * SECOND)).with_slow_calls(SECOND, 0.5));
    let before = breaker.handle().memory();
    for _ in 0..10 {
        succeed(&breaker, 10_000);
        advance(SECOND).await;
    }
    assert_eq!(breaker.stats().window.expect("kept").calls, 100_000);
    assert_eq!(breaker.handle().memory(), before);
    // What is striped grows with the machine: 128 bytes per stripe. A kilobyte is for two.
    let stripes = plugin_core::sync::stripe_count().min(16);
    assert!(before - 128 * stripes <= 1024 - 2 * 128, "{before} bytes with {stripes} stripes");
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_the_circuit_though_none_fails() {
    for window in [Window::Calls(20), Window::Time(60 * SECOND)] {
        let slow = config().with_window(window).with_min_calls(10).with_slow_calls(SECOND, 0.5);
        let layer = layer(slow);
        let mut events = layer.handle().events();
        let stack = over(&layer);
        calls(&stack, Will::SucceedAfter(SECOND - MILLI), 10).await;
        calls(&stack, Will::SucceedAfter(SECOND), 9).await;
        assert_eq!(layer.handle().state(), CircuitState::Closed, "9 of 19");
        calls(&stack, Will::SucceedAfter(SECOND), 1).await;
        assert_eq!(events.try_next().expect("opened").reason, Reason::SlowRate(0.5), "{window:?}");
        let stats = layer.handle().stats();
        assert_eq!((stats.successes, stats.slow, stats.failures), (20, 10, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_opens_the_circuit_again() {
    let layer = layer(config().with_slow_calls(SECOND, 0.5));
    layer.handle().force_open();
    advance(30 * SECOND).await;
    calls(&over(&layer), Will::SucceedAfter(2 * SECOND), 1).await;
    assert_eq!(layer.handle().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn each_rule_is_enough() {
    let all = || {
        breaker(
            config()
                .with_failure_threshold(3)
                .with_failure_rate(0.5)
                .with_slow_calls(SECOND, 0.5)
                .with_window(Window::Calls(10))
                .with_min_calls(4),
        )
    };
    let (row, share, slow) = (all(), all(), all());
    succeed(&row, 7);
    assert_eq!(failures_to_open(&row, 3), 3, "a row");
    (0..2).for_each(|_| {
        share.try_acquire().expect("closed").failure();
        share.try_acquire().expect("closed").success();
    });
    assert_eq!(failures_to_open(&share, 1), 1, "a share");
    for _ in 0..4 {
        let permit = slow.try_acquire().expect("closed");
        advance(SECOND).await;
        permit.success();
    }
    assert_eq!(slow.state(), CircuitState::Open, "slowness");
}

#[tokio::test(start_paused = true)]
async fn the_open_time_grows_with_every_trip_and_decays_in_healthy_times() {
    let growing = config().with_recovery_timeout(SECOND).with_backoff(2.0, 5 * SECOND).with_jitter(0.0);
    let breaker = breaker(growing.with_success_threshold(1));
    let open_time = || breaker.stats().last_open_time.expect("open").as_secs();
    failures_to_open(&breaker, 5);
    for expected in [1, 2, 4, 5, 5] {
        assert_eq!(open_time(), expected);
        advance(Duration::from_secs(expected)).await;
        breaker.try_acquire().expect("a probe").failure();
    }
    // Level 6. Closed for twice the last open time: two steps back.
    advance(5 * SECOND).await;
    succeed(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Closed);
    advance(10 * SECOND).await;
    failures_to_open(&breaker, 5);
    assert_eq!(open_time(), 5, "level 4 is still above the maximum");
    advance(5 * SECOND).await;
    succeed(&breaker, 1);
    advance(20 * SECOND).await;
    failures_to_open(&breaker, 5);
    assert_eq!(open_time(), 2, "level 5 less 4");
    advance(2 * SECOND).await;
    succeed(&breaker, 1);
    advance(1000 * SECOND).await;
    failures_to_open(&breaker, 5);
    assert_eq!(open_time(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_jitter_of_open_times_differs_and_stays_within_its_share() {
    let breaker = breaker(config().with_jitter(0.5));
    let mut times = std::collections::BTreeSet::new();
    for _ in 0..50 {
        breaker.handle().force_open();
        let time = breaker.stats().last_open_time.expect("open");
        assert!((15 * SECOND..=45 * SECOND).contains(&time), "{time:?}");
        times.insert(time);
        breaker.handle().reset();
    }
    assert!(times.len() > 40, "{} of 50 differ", times.len());
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_word_sets_the_open_time_up_to_a_cap() {
    for (asked, expected) in [(7, 7), (100, 60), (0, 30)] {
        let breaker = breaker(config().with_max_push_back(60 * SECOND));
        (0..4).for_each(|_| breaker.try_acquire().expect("closed").failure());
        breaker.try_acquire().expect("closed").failure_with_push_back(Duration::from_secs(asked));
        let left = breaker.try_acquire().expect_err("open").retry_after();
        assert_eq!(left, Some(Duration::from_secs(expected)), "asked for {asked}");
    }
    let deaf = breaker(config().with_max_push_back(Duration::ZERO));
    (0..5).for_each(|_| deaf.try_acquire().expect("closed").failure_with_push_back(SECOND));
    assert_eq!(deaf.try_acquire().expect_err("open").retry_after(), Some(30 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_short_time_that_a_server_asks_for_does_not_keep_the_breakers_own_from_growing() {
    let growing = config().with_recovery_timeout(8 * SECOND).with_backoff(2.0, 64 * SECOND).with_jitter(0.0);
    let breaker = breaker(growing.with_success_threshold(1));
    for _ in 0..3 {
        (0..5).for_each(|_| breaker.try_acquire().expect("closed").failure_with_push_back(SECOND));
        assert_eq!(breaker.stats().last_open_time, Some(SECOND));
        advance(SECOND).await;
        succeed(&breaker, 1);
        advance(4 * SECOND).await;
    }
    failures_to_open(&breaker, 5);
    assert_eq!(breaker.stats().last_open_time, Some(64 * SECOND), "three times twice 8 s");
}

#[tokio::test(start_paused = true)]
async fn other_settings_keep_the_window_and_the_row() {
    let breaker = breaker(rate(0.9, Window::Calls(100)).with_failure_threshold(50));
    succeed(&breaker, 60);
    (0..30).for_each(|_| breaker.try_acquire().expect("closed").failure());
    let running = breaker.try_acquire().expect("closed");
    let lower = breaker.handle().config().to_builder().with_failure_rate(0.31).build().expect("valid");
    breaker.handle().reconfigure(lower);
    let stats = breaker.stats();
    let window = stats.window.expect("kept");
    assert_eq!((window.calls, window.failures, stats.failures_in_a_row), (90, 30, 30));
    // A call from before the change counts: nothing of the window's shape has changed.
    running.failure();
    assert_eq!(breaker.state(), CircuitState::Open, "31 of 91, and 0.31 is enough now");
}

#[tokio::test(start_paused = true)]
async fn a_window_of_another_size_or_kind_takes_over_what_is_in_it() {
    let breaker = breaker(rate(1.0, Window::Calls(100)));
    succeed(&breaker, 60);
    (0..20).for_each(|_| breaker.try_acquire().expect("closed").failure());
    succeed(&breaker, 10);
    let change = |window| {
        let config = breaker.handle().config().to_builder().with_window(window).build().expect("valid");
        breaker.handle().reconfigure(config);
        let window = breaker.stats().window.expect("kept");
        (window.calls, window.failures)
    };
    assert_eq!(change(Window::Calls(1000)), (90, 20));
    assert_eq!(change(Window::Calls(25)), (25, 15), "the newest");
    assert_eq!(change(Window::Time(10 * SECOND)), (25, 15));
    advance(5 * SECOND).await;
    succeed(&breaker, 5);
    assert_eq!(change(Window::Time(20 * SECOND)), (30, 15));
    advance(10 * SECOND).await;
    assert_eq!(breaker.stats().window.map(|window| (window.calls, window.failures)), Some((30, 15)));
    advance(7 * SECOND).await;
    assert_eq!(breaker.stats().window.map(|window| window.calls), Some(5), "in the age that they had");
    assert_eq!(change(Window::Calls(100)), (5, 0));
    assert_eq!(breaker.stats().successes, 75);
}

#[tokio::test(start_paused = true)]
async fn what_was_slow_and_what_is_newest_is_still_so_in_a_window_of_another_kind() {
    let breaker = breaker(rate(1.0, Window::Calls(100)).with_slow_calls(SECOND, 1.0));
    let slow: Vec<_> = (0..3).map(|_| breaker.try_acquire().expect("closed")).collect();
    advance(2 * SECOND).await;
    slow.into_iter().for_each(plugin_breaker::Permit::success);
    breaker.try_acquire().expect("closed").failure();
    let change = |window| {
        let config = breaker.handle().config().to_builder().with_window(window).build().expect("valid");
        breaker.handle().reconfigure(config);
        let window = breaker.stats().window.expect("kept");
        (window.calls, window.failures, window.slow)
    };
    assert_eq!(change(Window::Time(100 * SECOND)), (4, 1, 3));
    advance(20 * SECOND).await;
    succeed(&breaker, 5);
    advance(20 * SECOND).await;
    breaker.try_acquire().expect("closed").failure();
    assert_eq!(change(Window::Calls(2)), (2, 1, 0), "the newest");
    assert_eq!(breaker.stats().successes, 8);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_began_before_there_was_a_rule_for_slow_calls_is_not_slow() {
    let breaker = breaker(rate(1.0, Window::Calls(100)));
    let before = [breaker.try_acquire().expect("closed"), breaker.try_acquire().expect("closed")];
    let with_rule = breaker.handle().config().to_builder().with_slow_calls(SECOND, 1.0);
    breaker.handle().reconfigure(with_rule.build().expect("valid"));
    let [failed, succeeded] = before;
    let slow = breaker.try_acquire().expect("closed");
    advance(2 * SECOND).await;
    failed.failure();
    succeeded.success();
    assert_eq!(breaker.stats().slow, 0);
    let now = clock::now();
    slow.failure();
    let stats = breaker.stats();
    assert_eq!((stats.slow, stats.failures, stats.successes), (1, 2, 1), "a slow failure is no success");
    assert_eq!(stats.last_failure, Some(now));
}

#[tokio::test(start_paused = true)]
async fn a_change_while_open_or_half_open_leaves_the_state_and_the_probes() {
    let breaker = breaker(config());
    breaker.handle().force_open();
    let other = || rate(0.5, Window::Calls(10)).with_success_threshold(1).build().expect("valid");
    breaker.handle().reconfigure(other());
    assert_eq!(breaker.try_acquire().expect_err("open").code(), Code::CircuitOpen);
    advance(30 * SECOND).await;
    let probe = breaker.try_acquire().expect("a probe");
    breaker.handle().reconfigure(other().to_builder().with_window(Window::Time(SECOND)).build().expect("valid"));
    probe.success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn switching_the_settings_off_and_on_takes_effect_at_once() {
    let breaker = breaker(config());
    failures_to_open(&breaker, 5);
    breaker.handle().reconfigure(config().with_enabled(false).build().expect("valid"));
    assert_eq!(breaker.state(), CircuitState::Disabled);
    assert!(breaker.try_acquire().is_ok());
    breaker.handle().reconfigure(config().build().expect("valid"));
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_another_size_changes_nothing_of_how_many_calls_there_were() {
    let breaker = breaker(rate(1.0, Window::Calls(100)).with_failure_threshold(2).with_min_request_threshold(10));
    succeed(&breaker, 8);
    let config = breaker.handle().config().to_builder().with_window(Window::Calls(50)).build().expect("valid");
    breaker.handle().reconfigure(config);
    assert_eq!(failures_to_open(&breaker, 2), 2, "with the eight of before there are ten");
}
