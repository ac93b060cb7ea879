//! Every interleaving of two or three threads, as loom sees them: `RUSTFLAGS="--cfg loom" cargo test --test loom`.
//!
//! The models go through the public face, so that they hold for what is really run: the state word, the striped cells,
//! the places of probes, and the lock.
#![cfg(loom)]

use std::{sync::Arc, time::Duration};

use loom::thread;
use plugin_breaker::{Breaker, CircuitBreakerConfig, CircuitBreakerConfigBuilder, CircuitState, Window};

fn breaker(builder: CircuitBreakerConfigBuilder) -> Arc<Breaker> {
    Arc::new(Breaker::new(builder.build().expect("valid")))
}

fn config() -> CircuitBreakerConfigBuilder {
    // Open for a nanosecond: the clock is real here, and has always moved on when it is read again.
    CircuitBreakerConfig::builder()
        .with_min_request_threshold(0)
        .with_recovery_timeout(Duration::from_nanos(1))
        .with_half_open_timeout(Duration::from_secs(100_000))
}

#[test]
fn a_success_from_before_a_reset_never_enters_the_window_after_it() {
    loom::model(|| {
        let window = config().with_failure_threshold(0).with_failure_rate(1.0).with_window(Window::Calls(4));
        let breaker = breaker(window);
        let permit = breaker.try_acquire_owned().expect("closed");
        let late = thread::spawn(move || permit.success());
        breaker.handle().reset();
        late.join().expect("no panic");
        let stats = breaker.stats();
        assert_eq!(stats.window.expect("kept").calls, 0);
        assert_eq!(stats.successes + stats.stale, 1);
    });
}

#[test]
fn two_failures_at_once_are_both_counted_and_open_once() {
    loom::model(|| {
        let breaker = breaker(config().with_failure_threshold(2).with_recovery_timeout(Duration::from_secs(100_000)));
        let (first, second) =
            (breaker.try_acquire_owned().expect("closed"), breaker.try_acquire_owned().expect("closed"));
        let other = thread::spawn(move || first.failure());
        second.failure();
        other.join().expect("no panic");
        let stats = breaker.stats();
        assert_eq!((stats.state, stats.opened, stats.failures), (CircuitState::Open, 1, 2));
    });
}

#[test]
fn a_success_beside_a_failure_is_before_it_or_after_it() {
    loom::model(|| {
        let breaker = breaker(config().with_failure_threshold(2).with_recovery_timeout(Duration::from_secs(100_000)));
        breaker.try_acquire().expect("closed").failure();
        let (success, failure) =
            (breaker.try_acquire_owned().expect("closed"), breaker.try_acquire_owned().expect("closed"));
        let other = thread::spawn(move || success.success());
        failure.failure();
        other.join().expect("no panic");
        let stats = breaker.stats();
        match stats.state {
            // The failure was the second in a row, and the success came too late or was counted just before.
            CircuitState::Open => assert_eq!(stats.successes + stats.stale, 1),
            _ => assert_eq!((stats.failures_in_a_row <= 1, stats.successes), (true, 1)),
        }
    });
}

#[test]
fn of_three_threads_no_more_probes_pass_than_there_are_places() {
    loom::model(|| {
        let breaker = breaker(config().with_half_open_max(1).with_success_threshold(5));
        breaker.handle().force_open();
        let others = [0, 1].map(|_| {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || breaker.try_acquire_owned().ok())
        });
        let mut permits = vec![breaker.try_acquire_owned().ok()];
        permits.extend(others.map(|thread| thread.join().expect("no panic")));
        assert_eq!(permits.iter().flatten().count(), 1);
        assert_eq!(breaker.stats().probes, 1);
        drop(permits);
        assert_eq!(breaker.stats().probes, 0);
        assert!(breaker.try_acquire().is_ok(), "the place is free");
    });
}

#[test]
fn of_three_threads_that_share_stripes_every_success_is_in_the_window() {
    loom::model(|| {
        let window = config().with_failure_threshold(0).with_failure_rate(1.0).with_window(Window::Calls(4));
        let breaker = breaker(window);
        let others = [0, 1].map(|_| {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || breaker.try_acquire().expect("closed").success())
        });
        breaker.try_acquire().expect("closed").success();
        others.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(breaker.stats().window.expect("kept").calls, 3);
    });
}

#[test]
fn a_place_that_is_given_back_while_another_asks_is_never_lost() {
    loom::model(|| {
        let breaker = breaker(config().with_half_open_max(1).with_success_threshold(5));
        breaker.handle().force_open();
        let probe = breaker.try_acquire_owned().expect("a place");
        let other = Arc::clone(&breaker);
        let thread = thread::spawn(move || other.try_acquire_owned().map(drop).is_ok());
        drop(probe);
        thread.join().expect("no panic");
        assert_eq!(breaker.stats().probes, 0);
        assert!(breaker.try_acquire().is_ok(), "the place is free");
    });
}

#[test]
fn probes_that_end_at_once_decide_once() {
    loom::model(|| {
        let breaker = breaker(config().with_half_open_max(2).with_success_threshold(2));
        breaker.handle().force_open();
        let (first, second) = (breaker.try_acquire_owned().expect("one"), breaker.try_acquire_owned().expect("two"));
        let other = thread::spawn(move || first.success());
        second.failure();
        other.join().expect("no panic");
        let stats = breaker.stats();
        assert_eq!((stats.state, stats.opened, stats.probes), (CircuitState::Open, 2, 0));
        assert_eq!(stats.successes + stats.stale, 1);
    });
}

#[test]
fn a_probe_that_gave_up_its_place_ends_while_another_takes_it_and_neither_is_lost() {
    loom::model(|| {
        // Every probe has outlived its time when the next caller comes: the clock is real here.
        let shortest = Duration::from_millis(1);
        let aged = config().with_half_open_timeout(shortest);
        let breaker = breaker(aged.with_half_open_max(1).with_success_threshold(2));
        breaker.handle().force_open();
        let late = breaker.try_acquire_owned().expect("a place");
        std::thread::sleep(2 * shortest);
        let ends = thread::spawn(move || late.success());
        breaker.try_acquire().expect("free, or given up").success();
        ends.join().expect("no panic");
        let stats = breaker.stats();
        assert_eq!((stats.state, stats.successes, stats.stale), (CircuitState::Closed, 2, 0));
    });
}

#[test]
fn a_new_shape_of_the_window_beside_a_success_loses_nothing_that_was_there() {
    loom::model(|| {
        let window = config().with_failure_threshold(0).with_failure_rate(1.0).with_window(Window::Calls(4));
        let breaker = breaker(window.clone());
        breaker.try_acquire().expect("closed").success();
        let permit = breaker.try_acquire_owned().expect("closed");
        let thread = thread::spawn(move || permit.success());
        breaker.handle().reconfigure(window.with_window(Window::Calls(8)).build().expect("valid"));
        thread.join().expect("no panic");
        let stats = breaker.stats();
        assert!((1..=2).contains(&stats.window.expect("kept").calls));
        assert_eq!(stats.successes + stats.stale, 2);
    });
}
