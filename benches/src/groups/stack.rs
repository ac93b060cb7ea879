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
use tower::{Layer, ServiceBuilder};
use tower_resilience_circuitbreaker::CircuitBreakerLayer as ResilienceBreaker;
use tower_resilience_ratelimiter::{RateLimiterLayer as ResilienceLimiter, WindowType};
use tower_resilience_retry::RetryLayer as ResilienceRetry;

use super::{
    GroupEntry,
    payload::{bare_rows, fixed, layer_rows, repeatable},
};
use crate::harness::{Group, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "stack",
    about: "Layers on one service whose calls succeed at once. Three are rate limit, breaker and retry; five have a deadline \
            outside and an attempt limit inside besides.",
    peers: &["tower-resilience-circuitbreaker", "tower-resilience-ratelimiter", "tower-resilience-retry"],
    rows,
};

fn request() -> Call<Bytes> {
    repeatable(fixed())
}

/// A limit that a benchmark does not reach.
pub(super) fn plenty() -> RateLimitConfig {
    let builder = RateLimitConfig::builder().with_requests_per_second(10_000_000.0).with_burst_size(4_000_000_000);
    builder.build().expect("within the bounds")
}

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    group.service("bare service", bare, request);
    let peer = ServiceBuilder::new()
        .layer(
            ResilienceLimiter::burst(u32::MAX as usize, u32::MAX as usize)
                .window_type(WindowType::Fixed)
                .limit_for_period(u32::MAX as usize)
                .build()
                .expect("a limit"),
        )
        .layer(ResilienceBreaker::builder().sliding_window_size(100).build().expect("within its bounds"))
        .layer(ResilienceRetry::<Call<Bytes>, Call<Bytes>, PluginError>::builder().max_attempts(4).build())
        .service(bare);
    group.service("tower-resilience, three layers", peer, request).one_thread();
    let three = ServiceBuilder::new()
        .layer(RateLimitLayer::new(plenty()))
        .layer(RetryLayer::new(RetryConfig::default()))
        .layer(CircuitBreakerLayer::default())
        .service(bare);
    group.service("three layers", three, request).against("tower-resilience, three layers");
    let five = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(30)))
        .layer(RateLimitLayer::new(plenty()))
        .layer(RetryLayer::new(RetryConfig::default()))
        .layer(CircuitBreakerLayer::default())
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(30)))
        .into_inner();
    group.service("five layers", five.layer(bare), request).against("tower-resilience, three layers");
    bare_rows(group);
    layer_rows(group, "five layers", &five);
    group.note("The row of tower-resilience has one thread, as in the group `breaker`.");
    group.aim("five layers", 100.0);
    group.note(
        "The largest share of five layers is that of the retry (see its group); what keeps two threads apart is the one word of \
         the rate limit, on which they must meet (see that group). With two threads the aim is 1.5x.",
    );
}
