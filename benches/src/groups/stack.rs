//! Five layers on one service.

use std::time::Duration;

use bytes::Bytes;
use plugin_breaker::CircuitBreakerLayer;
use plugin_core::{
    Call, PluginError,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
use plugin_retry::{RetryConfig, RetryLayer};
use tower::ServiceBuilder;

use super::GroupEntry;
use crate::harness::{Group, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "stack",
    about: "Layers on one service whose calls succeed at once. Ours are deadline, rate limit, retry, breaker and attempt \
            limit. The row of tower-resilience has the three of these that it can stack without a runtime.",
    peers: &["tower", "tower-resilience-circuitbreaker", "tower-resilience-ratelimiter", "tower-resilience-retry"],
    rows,
};

fn request() -> Call<Bytes> {
    let mut call = Call::new(Bytes::from_static(b"{\"id\":7}"));
    call.context_mut().set_idempotent(true);
    call
}

/// A limit that a benchmark does not reach.
pub(super) fn plenty() -> RateLimitConfig {
    let builder = RateLimitConfig::builder().with_requests_per_second(10_000_000.0).with_burst_size(4_000_000_000);
    builder.build().expect("within the bounds")
}

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    group.service("bare service", bare, request);
    let three = ServiceBuilder::new()
        .layer(RateLimitLayer::new(plenty()))
        .layer(RetryLayer::new(RetryConfig::default()))
        .layer(CircuitBreakerLayer::default())
        .service(bare);
    group.service("three layers", three, request);
    let five = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(30)))
        .layer(RateLimitLayer::new(plenty()))
        .layer(RetryLayer::new(RetryConfig::default()))
        .layer(CircuitBreakerLayer::default())
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(30)))
        .service(bare);
    group.service("five layers", five, request);
}
