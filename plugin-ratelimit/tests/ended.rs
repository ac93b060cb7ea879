//! A future that is polled after it has ended panics, and says which it was.

#[path = "../../plugin-core/tests/support/polled_again.rs"]
mod support;

use std::future::ready;

use plugin_core::PluginError;
use plugin_ratelimit::{
    RateLimitConfig, RateLimitLayer, TokenBucket,
    concurrency::{ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitLayer},
};
use support::{polled_again, says};
use tower::{Layer, Service, service_fn};

fn config() -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(1).build().expect("valid")
}

#[test]
fn the_futures_of_a_rate_limit_say_so() {
    let layer = RateLimitLayer::new(config());
    let mut stack = layer.layer(service_fn(|()| ready(Ok::<_, PluginError>(()))));
    for _ in 0..2 {
        // Passed, and refused.
        assert_eq!(polled_again(stack.call(())), says("plugin_core::RejectFuture"));
    }
    let bucket = TokenBucket::new(config());
    assert_eq!(polled_again(bucket.until_ready(1)), says("plugin_ratelimit::UntilReady"));
}

#[test]
fn the_futures_of_a_concurrency_limit_say_so() {
    let config = ConcurrencyLimitConfig::builder().with_max(1).with_queue(0).build().expect("valid");
    let limit = ConcurrencyLimit::new(config);
    let mut stack = ConcurrencyLimitLayer::sharing(&limit).layer(service_fn(|()| ready(Ok::<_, PluginError>(()))));
    let passed = polled_again(stack.call(()));
    let permit = limit.try_acquire().expect("free");
    let refused = polled_again(stack.call(()));
    for message in [passed, refused] {
        assert_eq!(message, says("plugin_ratelimit::concurrency::ConcurrencyLimitFuture"));
    }
    drop(permit);
    assert_eq!(polled_again(limit.acquire()), says("plugin_ratelimit::concurrency::Acquire"));
}
