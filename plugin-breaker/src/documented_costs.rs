//! What the pages promise of a breaker's speed and size, counted.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use plugin_core::{AsErrorValue, Call, Rejected, deadline};

use crate::{
    Breaker, CircuitBreakerConfig, CircuitBreakerConfigBuilder, CircuitState, Window,
    circuit::Circuit,
    guard::Admission,
    sync::{locks, stripe_count},
};

const MINUTE: Duration = Duration::from_secs(60);

fn config() -> CircuitBreakerConfigBuilder {
    CircuitBreakerConfig::builder()
}

fn breaker(builder: CircuitBreakerConfigBuilder) -> Breaker {
    Breaker::new(builder.build().expect("valid"))
}

#[test]
fn a_success_of_a_closed_circuit_takes_no_lock_whatever_the_rules() {
    let rules = [
        config(),
        config().with_failure_rate(0.5),
        config().with_failure_rate(0.5).with_window(Window::Time(MINUTE)),
        config().with_slow_calls(MINUTE, 0.5),
    ];
    for rules in rules {
        let breaker = breaker(rules);
        let calls = || (0..100).for_each(|_| breaker.try_acquire().expect("closed").success());
        assert_eq!(locks(calls), 0, "{:?}", breaker.handle().config());
        breaker.try_acquire().expect("closed").failure();
        // The one that ends the row of failures does, and no other.
        assert_eq!(locks(calls), 1);
    }
}

#[test]
fn a_refusal_takes_no_lock_whatever_refuses() {
    let open = breaker(config().with_recovery_timeout(MINUTE));
    open.handle().force_open();
    let isolated = breaker(config());
    isolated.handle().isolate();
    let full = breaker(config().with_recovery_timeout(Duration::from_nanos(1)));
    full.handle().force_open();
    std::thread::sleep(Duration::from_micros(1));
    let probes = [(); 2].map(|()| full.try_acquire().expect("a probe"));
    assert_eq!(full.state(), CircuitState::HalfOpen);
    for breaker in [&open, &isolated, &full] {
        let refused = || (0..100).for_each(|_| assert!(breaker.try_acquire().is_err()));
        assert_eq!(locks(refused), 0, "{}", breaker.state());
        assert_eq!(breaker.stats().rejected, 100);
    }
    drop(probes);
}

#[test]
fn a_refusal_of_a_caller_in_a_hurry_takes_no_lock_either() {
    let shared = Circuit::new(Arc::new(config().with_recovery_timeout(MINUTE).build().expect("valid")));
    shared.set(CircuitState::HalfOpen);
    let given_up = shared.admit(|| &shared);
    assert!(matches!(given_up, Admission::Judged(_)));
    std::thread::sleep(Duration::from_millis(2));
    drop(given_up);
    let refused = || (0..100).for_each(|_| assert!(matches!(shared.admit(|| &shared), Admission::Refused(_))));
    let in_a_hurry = |_| std::future::ready(Ok::<_, Rejected>(locks(refused)));
    let call = deadline::enforce(Call::new(()).with_timeout(Duration::from_millis(1)), in_a_hurry, AsErrorValue);
    assert_eq!(call.now_or_never(), Some(Ok(0)));
    assert_eq!(shared.stats().rejected, 100);
}

#[test]
fn a_window_is_kept_only_where_a_rule_reads_it() {
    let window = |builder| breaker(builder).stats().window;
    assert_eq!(window(config()), None);
    assert_eq!(window(config().with_window(Window::Time(MINUTE))), None);
    assert!(window(config().with_failure_rate(0.5)).is_some());
    assert!(window(config().with_slow_calls(MINUTE, 0.5)).is_some());
    let breaker = breaker(config().with_failure_rate(0.5));
    let (with, none) = (breaker.handle().memory(), config().build().expect("valid"));
    breaker.handle().reconfigure(none);
    assert_eq!((breaker.stats().window, with - breaker.handle().memory()), (None, 32));
}

#[test]
fn the_memory_of_a_breaker_is_what_it_says() {
    let memory = |builder| breaker(builder).handle().memory();
    let bare = size_of::<Circuit>() + 128 * stripe_count();
    assert_eq!(memory(config()), bare);
    let calls = |calls| memory(config().with_failure_rate(0.5).with_window(Window::Calls(calls))) - bare;
    assert_eq!([1, 64, 65, 100, 100_000].map(calls), [16, 16, 32, 32, 2 * 8 * 1563]);
    let time = |time| memory(config().with_failure_rate(0.5).with_window(Window::Time(time))) - bare;
    assert_eq!([MINUTE / 60, 60 * MINUTE].map(time), [248, 248]);
}

#[test]
fn the_memory_that_a_breaker_says_is_what_it_takes_from_the_allocator() {
    let shared = |builder: CircuitBreakerConfigBuilder| {
        let config = Arc::new(builder.build().expect("valid"));
        let mut made = None;
        let taken = allocation_counter::measure(|| made = Some(Circuit::new(Arc::clone(&config)))).bytes_current;
        let said = made.map_or(0, |shared| shared.size() - size_of::<Circuit>());
        (usize::try_from(taken).expect("some"), said)
    };
    let rules = [
        config(),
        config().with_failure_rate(0.5),
        config().with_failure_rate(0.5).with_window(Window::Calls(100_000)),
        config().with_failure_rate(0.5).with_window(Window::Time(MINUTE)),
    ];
    for (taken, said) in rules.map(shared) {
        assert_eq!(taken, said);
    }
}
