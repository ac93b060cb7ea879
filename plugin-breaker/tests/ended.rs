//! A future that is polled after it has ended panics, and says which it was.

#[path = "../../plugin-core/tests/support/polled_again.rs"]
mod support;

use std::future::ready;

use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, CircuitState, KeyedBreakerLayer};
use plugin_core::PluginError;
use support::{polled_again, says};
use tower::{Layer, Service, service_fn};

#[test]
fn the_future_of_a_breaker_says_so_whatever_it_answered() {
    let answers = || service_fn(|good: bool| ready(if good { Ok(()) } else { Err(PluginError::execution("bad")) }));
    let layer = CircuitBreakerLayer::new(CircuitBreakerConfig::default());
    let mut stack = layer.layer(answers());
    let mut check = |good| assert_eq!(polled_again(stack.call(good)), says("plugin_breaker::ResponseFuture"));
    check(true);
    check(false);
    layer.handle().force_open();
    check(true);
    layer.handle().disable();
    check(true);
    assert_eq!(layer.handle().state(), CircuitState::Disabled);
    let keyed = KeyedBreakerLayer::new(CircuitBreakerConfig::default(), |good: &bool| Some(*good));
    assert_eq!(polled_again(keyed.layer(answers()).call(true)), says("plugin_breaker::ResponseFuture"));
}
