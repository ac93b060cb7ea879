//! A circuit breaker that stays closed, one that is open, and one whose window has many calls in it.

use std::time::Duration;

use failsafe::{CircuitBreaker as _, backoff, failure_policy};
use plugin_breaker::{Breaker, CircuitBreakerConfig, CircuitBreakerLayer, Window};
use plugin_core::{BoxError, Rejected};
use recloser::Recloser;
use tower::Layer;
use tower_resilience_circuitbreaker::{CircuitBreakerLayer as ResilienceLayer, SlidingWindowType};

use super::GroupEntry;
use crate::harness::{Group, call_now, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "breaker",
    about: "One circuit breaker, shared by all who call. It stays closed, except in the rows that say so. tower-resilience \
            decides behind a lock in every call and boxes its future; recloser and failsafe wrap a closure.",
    peers: &["tower-resilience-circuitbreaker", "failsafe", "recloser"],
    rows,
};

const MINUTE: Duration = Duration::from_secs(60);

fn by_rate(window: Window) -> CircuitBreakerConfig {
    let builder = CircuitBreakerConfig::builder().with_failure_rate(0.5).with_window(window);
    builder.build().expect("within the bounds")
}

fn rows(group: &mut Group) {
    let bare = echo::<BoxError>();
    group.service("bare service", bare, || 1_u64);
    without_tower(group);
    group.note(
        "The rows of tower-resilience have one thread: with two, its lock makes a future wait that the harness expects to be \
         ready at once.",
    );

    let resilience = ResilienceLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .build()
        .expect("within its bounds");
    group.service("tower-resilience layer, 100 calls", resilience.layer(bare), || 1_u64).one_thread();
    group
        .service("CircuitBreakerLayer", CircuitBreakerLayer::default().layer(bare), || 1_u64)
        .against("tower-resilience layer, 100 calls");
    let calls = CircuitBreakerLayer::new(by_rate(Window::Calls(100)));
    group
        .service("CircuitBreakerLayer, 100 calls", calls.layer(bare), || 1_u64)
        .against("tower-resilience layer, 100 calls");
    let slow = by_rate(Window::Calls(100)).to_builder().with_slow_calls(MINUTE, 0.5).build();
    let slow = CircuitBreakerLayer::new(slow.expect("within the bounds"));
    group.service("CircuitBreakerLayer, timed", slow.layer(bare), || 1_u64);
    group.service("CircuitBreakerLayer, disabled", CircuitBreakerLayer::disabled().layer(bare), || 1_u64);
    let open = CircuitBreakerLayer::default();
    open.handle().force_open();
    group.refusal("CircuitBreakerLayer, open", open.layer(echo::<Rejected>()), || 1_u64);

    for filled in [1_000, 10_000, 100_000] {
        time_window(group, filled);
    }
    group.note(
        "Aims, on a machine whose fetch_add takes 4.7 ns and whose Arc takes 9.5: closed 20 as a layer and 10 by `try_acquire`, \
         timed 35, a time window 25, open 15, two threads 1.8x. A closed layer is one lease (an Arc) and one fetch_add, so the \
         floors of the machine at hand say how near it is. A time window also reads the clock and adds to the cell of the \
         second; an open breaker reads the clock to say when to come back. Those two are above their aims.",
    );
}

fn without_tower(group: &mut Group) {
    group.shared("recloser", Recloser::custom().error_rate(0.5).closed_len(100).build(), |recloser| {
        recloser.call(|| Ok::<_, ()>(1_u64)).is_ok()
    });
    let policy = failure_policy::consecutive_failures(5, backoff::constant(MINUTE));
    group.shared("failsafe", failsafe::Config::new().failure_policy(policy).build(), |failsafe| {
        failsafe.call(|| Ok::<_, ()>(1_u64)).is_ok()
    });
    group
        .shared("Breaker::try_acquire", Breaker::default(), |breaker| {
            breaker.try_acquire().map(plugin_breaker::Permit::success).is_ok()
        })
        .against("recloser");
    let open = Breaker::default();
    open.handle().isolate();
    open.handle().force_open();
    group.shared("Breaker::try_acquire, open", open, |breaker| breaker.try_acquire().is_err());
}

/// A window of a minute, with this many calls in it before the first round.
fn time_window(group: &mut Group, filled: usize) {
    let peer = ResilienceLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(MINUTE)
        .build()
        .expect("within its bounds");
    let mut service = peer.layer(echo::<BoxError>());
    for _ in 0..filled {
        let _ = call_now(&mut service, 1_u64);
    }
    let name = format!("tower-resilience layer, a minute, {filled} calls before");
    group.service(&*name, service, || 1_u64).one_thread();

    let mut service = CircuitBreakerLayer::new(by_rate(Window::Time(MINUTE))).layer(echo::<BoxError>());
    for _ in 0..filled {
        let _ = call_now(&mut service, 1_u64);
    }
    group.service(format!("CircuitBreakerLayer, a minute, {filled} calls before"), service, || 1_u64).against(name);
}
