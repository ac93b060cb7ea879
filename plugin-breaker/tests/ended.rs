//! A future that is polled after it has ended panics, and says which it was.

use std::{
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Waker},
};

use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, CircuitState, KeyedBreakerLayer};
use plugin_core::PluginError;
use tower::{Layer, Service, service_fn};

/// Drives a future to its end, polls it once more, and gives back what the panic says.
fn polled_again<F: Future>(future: F) -> String {
    let mut future = Box::pin(future);
    let mut cx = Context::from_waker(Waker::noop());
    assert!((0..9).any(|_| future.as_mut().poll(&mut cx).is_ready()), "it ends");
    let again = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx).is_ready()));
    let said = again.expect_err("it panics");
    said.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn says(future: &str) -> String {
    format!("`{future}` was polled after it had ended")
}

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
