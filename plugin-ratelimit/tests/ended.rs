//! A future that is polled after it has ended panics, and says which it was.

use std::{
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Waker},
};

use plugin_core::PluginError;
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer, TokenBucket};
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

fn config() -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(1).build().expect("valid")
}

#[test]
fn the_futures_of_a_rate_limit_say_so() {
    let layer = RateLimitLayer::new(config());
    let mut stack = layer.layer(service_fn(|()| ready(Ok::<_, PluginError>(()))));
    for _ in 0..2 {
        // Passed, and refused.
        assert_eq!(polled_again(stack.call(())), says("plugin_core::reject::RejectFuture"));
    }
    let bucket = TokenBucket::new(config());
    assert_eq!(polled_again(bucket.until_ready(1)), says("plugin_ratelimit::UntilReady"));
}
