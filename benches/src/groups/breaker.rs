//! A circuit breaker that stays closed, and one that is open.

use std::time::Duration;

use failsafe::{CircuitBreaker as _, backoff, failure_policy};
use plugin_breaker::{Breaker, CircuitBreakerConfig, CircuitBreakerLayer, Window};
use plugin_core::{BoxError, Rejected};
use recloser::Recloser;
use tower::Layer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer as ResilienceLayer;

use super::{
    GroupEntry,
    payload::{bare_rows, layer_rows},
};
use crate::harness::{Group, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "breaker",
    about: "One circuit breaker, shared by all who call. It stays closed, except in the rows that say so. tower-resilience \
            decides behind a lock in every call and boxes its future; recloser and failsafe wrap a closure.",
    peers: &["tower-resilience-circuitbreaker", "failsafe", "recloser"],
    rows,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn by_rate(window: Window) -> CircuitBreakerConfig {
    let builder = CircuitBreakerConfig::builder().with_failure_rate(0.5).with_window(window);
    builder.build().expect("within the bounds")
}

/// Longer than a group is measured, so that an open breaker lets no probe through.
fn open_for_a_day() -> CircuitBreakerConfig {
    CircuitBreakerConfig::builder().with_recovery_timeout(DAY).build().expect("within the bounds")
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
    let open = CircuitBreakerLayer::new(open_for_a_day());
    open.handle().force_open();
    group.refusal("CircuitBreakerLayer, open", open.layer(echo::<Rejected>()), || 1_u64);

    bare_rows(group);
    layer_rows(group, "CircuitBreakerLayer", &CircuitBreakerLayer::default());

    group.aim("Breaker::try_acquire", 10.0);
    group.aim("Breaker::try_acquire, open", 15.0);
    group.aim("CircuitBreakerLayer", 20.0);
    group.aim("CircuitBreakerLayer, timed", 35.0);
    group.aim("CircuitBreakerLayer, open", 15.0);
    group.note(
        "A closed layer is one lease (an `Arc`) and one `fetch_add`, so the floors say how near it is. An open breaker reads the \
         clock to say when to come back. With two threads the aim is 1.8x.",
    );
}

fn without_tower(group: &mut Group) {
    group.always("recloser", Recloser::custom().error_rate(0.5).closed_len(100).build(), |recloser| {
        recloser.call(|| Ok::<_, ()>(1_u64)).is_ok()
    });
    let policy = failure_policy::consecutive_failures(5, backoff::constant(MINUTE));
    group.always("failsafe", failsafe::Config::new().failure_policy(policy).build(), |failsafe| {
        failsafe.call(|| Ok::<_, ()>(1_u64)).is_ok()
    });
    group
        .always("Breaker::try_acquire", Breaker::default(), |breaker| {
            breaker.try_acquire().map(plugin_breaker::Permit::success).is_ok()
        })
        .against("recloser");
    let open = Breaker::new(open_for_a_day());
    open.handle().force_open();
    group.always("Breaker::try_acquire, open", open, |breaker| breaker.try_acquire().is_err());
}
