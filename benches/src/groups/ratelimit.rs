//! A token bucket that always has tokens, and one that has none.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{Quota, RateLimiter};
use plugin_core::{PluginError, Rejected};
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer, TokenBucket};
use tower::limit::RateLimitLayer as TowerLayer;
use tower::{Layer, ServiceBuilder};
use tower_resilience_ratelimiter::{RateLimiterLayer, WindowType};

use super::{
    GroupEntry,
    payload::{bare_rows, layer_rows},
};
use crate::harness::{Group, call_now, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "ratelimit",
    about: "One token bucket, shared by all who call. The limit is never reached, except in the rows that say so. One \
            bucket is one word, so two threads must meet on it: read the nanoseconds, not the scaling.",
    peers: &["governor", "leaky-bucket", "tower", "tower-resilience-ratelimiter"],
    rows,
};

/// More tokens than a run takes.
fn plenty() -> RateLimitConfig {
    RateLimitConfig::builder()
        .with_requests_per_second(10_000_000.0)
        .with_burst_size(u32::MAX)
        .build()
        .expect("within the bounds")
}

/// One token in a day.
fn hardly_any() -> RateLimitConfig {
    RateLimitConfig::builder()
        .with_requests_per_second(1.0 / 86_400.0)
        .with_burst_size(1)
        .build()
        .expect("within the bounds")
}

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    group.service("bare service", bare, || 1_u64);

    let quota = Quota::per_second(NonZeroU32::MAX).allow_burst(NonZeroU32::MAX);
    group.always("governor check", RateLimiter::direct(quota), |limiter| limiter.check().is_ok());
    let leaky = leaky_bucket::RateLimiter::builder()
        .max(1 << 40)
        .initial(1 << 40)
        .refill(1 << 20)
        .interval(Duration::from_secs(1))
        .build();
    group.always("leaky-bucket try_acquire", leaky, |limiter| limiter.try_acquire(1));
    group
        .always("TokenBucket::try_acquire", TokenBucket::new(plenty()), |bucket| bucket.try_acquire(1).is_ok())
        .against("governor check");
    let empty = TokenBucket::new(hardly_any());
    let _the_only_token = empty.try_acquire(1);
    group.always("TokenBucket::try_acquire, refused", empty, |bucket| bucket.try_acquire(1).is_err());

    group.case("tower layer (each thread its own)", || {
        // Its timer is made with the service, and never armed.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let _context = runtime.enter();
        let mut service = TowerLayer::new(u64::MAX, Duration::from_secs(1)).layer(echo::<Infallible>());
        move || {
            let _keep = &runtime;
            call_now(&mut service, 1_u64).expect("an echo")
        }
    });
    let resilience = RateLimiterLayer::burst(u32::MAX as usize, u32::MAX as usize)
        .window_type(WindowType::Fixed)
        .limit_for_period(u32::MAX as usize)
        .build()
        .expect("a limit");
    group.service(
        "tower-resilience layer",
        ServiceBuilder::new().layer(resilience).service(echo::<Infallible>()),
        || 1_u64,
    );
    group
        .service("RateLimitLayer", RateLimitLayer::new(plenty()).layer(bare), || 1_u64)
        .against("tower-resilience layer");
    group.service("RateLimitLayer, disabled", RateLimitLayer::disabled().layer(bare), || 1_u64);
    let empty = RateLimitLayer::new(hardly_any());
    let _the_only_token = empty.handle().bucket().try_acquire(1);
    group.refusal("RateLimitLayer, refused", empty.layer(echo::<Rejected>()), || 1_u64);
    group.aim("TokenBucket::try_acquire", 15.0);
    bare_rows(group);
    layer_rows(group, "RateLimitLayer", &RateLimitLayer::new(plenty()));
}
