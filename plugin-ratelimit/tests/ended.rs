//! A future that is polled after it has ended panics, and says which it was.

#[path = "../../plugin-core/tests/support/polled_again.rs"]
mod support;

use std::future::ready;

use plugin_core::PluginError;
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer, TokenBucket};
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
