//! What a call through a breaker takes from the allocator: nothing.

mod common;

use std::{
    future::{Future, Ready, ready},
    task::{Context, Poll},
};

use common::*;
use plugin_breaker::{Breaker, CircuitBreakerConfig, CircuitBreakerLayer, Permit, Window};
use plugin_core::Rejected;
use tower::{Layer, Service};

#[derive(Clone)]
struct Echo;

impl Service<u64> for Echo {
    type Response = u64;
    type Error = Rejected;
    type Future = Ready<Result<u64, Rejected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

fn allocations(layer: &CircuitBreakerLayer) -> u64 {
    let mut service = layer.layer(Echo);
    let mut call = || {
        let mut future = std::pin::pin!(service.call(1));
        assert!(future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
    };
    // The first call of a thread takes a stripe.
    call();
    allocation_counter::measure(|| (0..100).for_each(|_| call())).count_total
}

#[test]
fn a_call_allocates_nothing_whatever_the_rules_and_the_state() {
    let open = CircuitBreakerLayer::default();
    open.handle().force_open();
    let layers = [
        ("closed", CircuitBreakerLayer::default()),
        ("open", open),
        ("disabled", CircuitBreakerLayer::disabled()),
        ("calls", layer(config().with_failure_rate(0.5))),
        ("time", layer(config().with_failure_rate(0.5).with_window(Window::Time(SECOND)))),
        ("timed", layer(config().with_slow_calls(SECOND, 0.5))),
    ];
    for (name, layer) in layers {
        assert_eq!(allocations(&layer), 0, "{name}");
    }
}

#[test]
fn a_permit_allocates_nothing() {
    let breaker = Breaker::new(CircuitBreakerConfig::default());
    breaker.try_acquire().expect("closed").success();
    let calls = || (0..100).for_each(|_| breaker.try_acquire().map_or((), Permit::success));
    assert_eq!(allocation_counter::measure(calls).count_total, 0);
}
