//! A circuit breaker that judges by the calls of a time, of which there are many.

use std::time::Duration;

use plugin_breaker::{CircuitBreakerLayer, Window};
use plugin_core::BoxError;
use tower::Layer;
use tower_resilience_circuitbreaker::{CircuitBreakerLayer as ResilienceLayer, SlidingWindowType};

use super::{GroupEntry, breaker::by_rate};
use crate::harness::{Group, call_now, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "breaker-window",
    about: "A closed breaker whose window is an hour, with a hundred thousand calls in it before the first round. The calls that \
            are measured are added to them; none of them leaves it meanwhile. tower-resilience keeps each call and counts \
            them all every time; ours has ten sums.",
    peers: &["tower-resilience-circuitbreaker"],
    rows,
};

/// Longer than the group is measured.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// So many that those of the measurement are few beside them. With a thousand before, the rows of the peer would be about the
/// calls of their own that they had made so far.
const FILLED: usize = 100_000;

fn rows(group: &mut Group) {
    group.service("bare service", echo::<BoxError>(), || 1_u64);
    let peer = ResilienceLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(HOUR)
        .build()
        .expect("within its bounds");
    let mut service = peer.layer(echo::<BoxError>());
    (0..FILLED).for_each(|_| _ = call_now(&mut service, 1_u64));
    group.service("tower-resilience layer", service, || 1_u64).one_thread();

    let mut service = CircuitBreakerLayer::new(by_rate(Window::Time(HOUR))).layer(echo::<BoxError>());
    (0..FILLED).for_each(|_| _ = call_now(&mut service, 1_u64));
    group.service("CircuitBreakerLayer", service, || 1_u64).against("tower-resilience layer");
    group.aim("CircuitBreakerLayer", 25.0);
    group.note("A call also reads the clock, and adds to the cell of the present tenth of the window.");
}
